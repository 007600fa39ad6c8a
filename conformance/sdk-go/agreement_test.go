package story

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ivsrealtime"
	"github.com/aws/smithy-go"
)

// task is what the five SDKs are all given; see conformance/agreement/README.md.
type task struct {
	place
	Errors []struct {
		Name      string          `json:"name"`
		Operation string          `json:"operation"`
		Input     json.RawMessage `json:"input"`
		Keys      *struct{ AccessKeyID, SecretAccessKey string }
		Repeat    int `json:"repeat"`
	} `json:"errors"`
	Walks []struct {
		Name      string          `json:"name"`
		Operation string          `json:"operation"`
		Input     json.RawMessage `json:"input"`
		Items     string          `json:"items"`
		ID        string          `json:"id"`
		PageSizes []int32         `json:"pageSizes"`
		MaxItems  int             `json:"maxItems"`
	} `json:"walks"`
	Token  json.RawMessage              `json:"token"`
	Tokens map[string]map[string]string `json:"tokens"`
}

type refusal struct {
	Code         string `json:"code"`
	Status       int    `json:"status"`
	Message      string `json:"message"`
	HasRequestID bool   `json:"hasRequestId"`
	HasClass     bool   `json:"hasClass"`
}

type report struct {
	Errors  map[string]refusal             `json:"errors"`
	Walks   map[string][]string            `json:"walks"`
	Tokens  map[string]string              `json:"tokens"`
	Resumed map[string]map[string][]string `json:"resumed"`
	Token   map[string]any                 `json:"token"`
}

// call sends an operation by its name with an input in JSON.
func call(client *ivsrealtime.Client, operation string, input json.RawMessage) (any, error) {
	method := reflect.ValueOf(client).MethodByName(operation)
	typed := reflect.New(method.Type().In(1).Elem())
	if err := json.Unmarshal(input, typed.Interface()); err != nil {
		return nil, err
	}
	answer := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), typed})
	err, _ := answer[1].Interface().(error)
	return answer[0].Interface(), err
}

func refused(t *testing.T, err error) refusal {
	t.Helper()
	var said smithy.APIError
	var response *awshttp.ResponseError
	if !errors.As(err, &said) || !errors.As(err, &response) {
		t.Fatalf("not an error of the service: %v", err)
	}
	_, isGeneric := said.(*smithy.GenericAPIError)
	return refusal{
		Code:         said.ErrorCode(),
		Status:       response.HTTPStatusCode(),
		Message:      sentence(said),
		HasRequestID: response.ServiceRequestID() != "",
		HasClass:     !isGeneric,
	}
}

// sentence is what an error says. Classes of this service keep it in ExceptionMessage, as its model names the member,
// and leave Message, which ErrorMessage returns, empty.
func sentence(said smithy.APIError) string {
	value := reflect.Indirect(reflect.ValueOf(said)).FieldByName("ExceptionMessage")
	if value.IsValid() && !value.IsNil() {
		return value.Elem().String()
	}
	return said.ErrorMessage()
}

// pages reads a list to its end with the SDK's paginator, or until enough items have come.
type pages struct {
	more func() bool
	next func() (any, error)
}

func paginator(t *testing.T, client *ivsrealtime.Client, operation string, input json.RawMessage, limit int32, from *string) pages {
	t.Helper()
	ctx := context.Background()
	read := func(typed any) {
		if err := json.Unmarshal(input, typed); err != nil {
			t.Fatal(err)
		}
	}
	switch operation {
	case "ListStages":
		asked := &ivsrealtime.ListStagesInput{NextToken: from}
		read(asked)
		p := ivsrealtime.NewListStagesPaginator(client, asked, func(o *ivsrealtime.ListStagesPaginatorOptions) { o.Limit = limit })
		return pages{p.HasMorePages, func() (any, error) { return p.NextPage(ctx) }}
	case "ListParticipantReplicas":
		asked := &ivsrealtime.ListParticipantReplicasInput{NextToken: from}
		read(asked)
		p := ivsrealtime.NewListParticipantReplicasPaginator(client, asked, func(o *ivsrealtime.ListParticipantReplicasPaginatorOptions) { o.Limit = limit })
		return pages{p.HasMorePages, func() (any, error) { return p.NextPage(ctx) }}
	case "ListPublicKeys":
		asked := &ivsrealtime.ListPublicKeysInput{NextToken: from}
		read(asked)
		p := ivsrealtime.NewListPublicKeysPaginator(client, asked, func(o *ivsrealtime.ListPublicKeysPaginatorOptions) { o.Limit = limit })
		return pages{p.HasMorePages, func() (any, error) { return p.NextPage(ctx) }}
	case "ListIngestConfigurations":
		asked := &ivsrealtime.ListIngestConfigurationsInput{NextToken: from}
		read(asked)
		p := ivsrealtime.NewListIngestConfigurationsPaginator(client, asked, func(o *ivsrealtime.ListIngestConfigurationsPaginatorOptions) { o.Limit = limit })
		return pages{p.HasMorePages, func() (any, error) { return p.NextPage(ctx) }}
	case "ListParticipantEvents":
		asked := &ivsrealtime.ListParticipantEventsInput{NextToken: from}
		read(asked)
		p := ivsrealtime.NewListParticipantEventsPaginator(client, asked, func(o *ivsrealtime.ListParticipantEventsPaginatorOptions) { o.Limit = limit })
		return pages{p.HasMorePages, func() (any, error) { return p.NextPage(ctx) }}
	}
	t.Fatalf("%s has no paginator here", operation)
	return pages{}
}

// field finds a member of an answer by the name it has on the wire.
func field(of reflect.Value, name string) reflect.Value {
	return reflect.Indirect(of).FieldByNameFunc(func(known string) bool { return strings.EqualFold(known, name) })
}

// ids are what tells the items of a page apart.
func ids(page any, items, id string) []string {
	listed := field(reflect.ValueOf(page), items)
	found := []string{}
	for index := range listed.Len() {
		found = append(found, reflect.Indirect(field(listed.Index(index), id)).String())
	}
	return found
}

// TestAgreement does what AGREEMENT_TASK says and writes what it saw to AGREEMENT_REPORT.
func TestAgreement(t *testing.T) {
	path := os.Getenv("AGREEMENT_TASK")
	if path == "" {
		t.Skip("AGREEMENT_TASK is not set: run conformance/agreement")
	}
	var given task
	if err := json.Unmarshal(must(os.ReadFile(path))(t), &given); err != nil {
		t.Fatal(err)
	}
	seen := report{map[string]refusal{}, map[string][]string{}, map[string]string{}, map[string]map[string][]string{}, nil}
	client := given.client()
	given.meetErrors(t, &seen)
	for _, walk := range given.Walks {
		read := func(limit int32, from *string, most int) (found []string) {
			list := paginator(t, client, walk.Operation, walk.Input, limit, from)
			for list.more() && (most == 0 || len(found) < most) {
				found = append(found, ids(must(list.next())(t), walk.Items, walk.ID)...)
			}
			if most > 0 {
				found = found[:most]
			}
			return found
		}
		for _, size := range walk.PageSizes {
			seen.Walks[walk.Name+" by "+string(must(json.Marshal(size))(t))] = read(size, nil, 0)
		}
		seen.Walks[walk.Name+" up to a limit"] = read(2, nil, walk.MaxItems)
		first := must(paginator(t, client, walk.Operation, walk.Input, 2, nil).next())(t)
		seen.Tokens[walk.Name] = reflect.Indirect(field(reflect.ValueOf(first), "nextToken")).String()
		seen.Resumed[walk.Name] = map[string][]string{}
		for sdk, tokens := range given.Tokens {
			from := tokens[walk.Name]
			seen.Resumed[walk.Name][sdk] = read(3, &from, 0)
		}
	}
	seen.Token = given.makeToken(t)
	if err := os.WriteFile(os.Getenv("AGREEMENT_REPORT"), must(json.Marshal(seen))(t), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (given *task) meetErrors(t *testing.T, seen *report) {
	t.Helper()
	for _, wanted := range given.Errors {
		at := given.place
		if wanted.Keys != nil {
			at.AccessKeyID, at.SecretAccessKey = wanted.Keys.AccessKeyID, wanted.Keys.SecretAccessKey
		}
		client := at.client()
		var err error
		for try := 0; err == nil && try < max(wanted.Repeat, 1); try++ {
			_, err = call(client, wanted.Operation, wanted.Input)
		}
		seen.Errors[wanted.Name] = refused(t, err)
	}
}

// makeToken makes a participant token and tells what it says, without what differs each time.
func (given *task) makeToken(t *testing.T) map[string]any {
	t.Helper()
	answer := must(call(given.client(), "CreateParticipantToken", given.Token))(t).(*ivsrealtime.CreateParticipantTokenOutput)
	made := answer.ParticipantToken
	var claims struct {
		JTI string `json:"jti"`
		Exp int64  `json:"exp"`
	}
	payload := must(base64.RawURLEncoding.DecodeString(strings.Split(*made.Token, ".")[1]))(t)
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"userId":         *made.UserId,
		"duration":       *made.Duration,
		"attributes":     made.Attributes,
		"capabilities":   made.Capabilities,
		"isItsId":        claims.JTI == *made.ParticipantId,
		"expiresAtClaim": made.ExpirationTime.Equal(time.Unix(claims.Exp, 0)),
	}
}
