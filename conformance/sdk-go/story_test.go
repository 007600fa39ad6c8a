package story

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ivsrealtime"
	"github.com/aws/aws-sdk-go-v2/service/ivsrealtime/types"
)

const destinations = 7

// story is a publisher in a source stage and its replicas.
type story struct {
	*ivsrealtime.Client
	source, session, participant string
	destinations                 []string
}

func (s *story) newStage(t *testing.T, name string) string {
	t.Helper()
	made := must(s.CreateStage(context.Background(), &ivsrealtime.CreateStageInput{Name: &name}))(t)
	return *made.Stage.Arn
}

func (s *story) start(destination string) error {
	_, err := s.StartParticipantReplication(context.Background(), &ivsrealtime.StartParticipantReplicationInput{
		SourceStageArn:         &s.source,
		DestinationStageArn:    &destination,
		ParticipantId:          &s.participant,
		ReconnectWindowSeconds: aws.Int32(60),
		Attributes:             map[string]string{"role": "guest"},
	})
	return err
}

func (s *story) stop(destination string) error {
	_, err := s.StopParticipantReplication(context.Background(), &ivsrealtime.StopParticipantReplicationInput{
		SourceStageArn: &s.source, DestinationStageArn: &destination, ParticipantId: &s.participant,
	})
	return err
}

// replicas walks the list with the SDK's own paginator.
func (s *story) replicas(t *testing.T, limit int32, from *string) (states map[string]types.ReplicationState, order []string, pages int) {
	t.Helper()
	paginator := ivsrealtime.NewListParticipantReplicasPaginator(s, &ivsrealtime.ListParticipantReplicasInput{
		SourceStageArn: &s.source, ParticipantId: &s.participant, NextToken: from,
	}, func(options *ivsrealtime.ListParticipantReplicasPaginatorOptions) {
		options.Limit = limit
		options.StopOnDuplicateToken = true
	})
	states = map[string]types.ReplicationState{}
	for paginator.HasMorePages() {
		page := must(paginator.NextPage(context.Background()))(t)
		if limit > 0 && len(page.Replicas) > int(limit) {
			t.Fatalf("%d replicas on a page of %d", len(page.Replicas), limit)
		}
		for _, replica := range page.Replicas {
			order = append(order, *replica.DestinationStageArn)
			states[*replica.DestinationStageArn] = replica.ReplicationState
		}
		pages++
	}
	return states, order, pages
}

func begin(t *testing.T) (*story, func()) {
	t.Helper()
	s := &story{Client: placeOfTest(t).client()}
	ctx := context.Background()
	s.source = s.newStage(t, "source")
	made := must(s.CreateParticipantToken(ctx, &ivsrealtime.CreateParticipantTokenInput{
		StageArn:     &s.source,
		UserId:       aws.String("ann"),
		Duration:     aws.Int32(30),
		Attributes:   map[string]string{"role": "host"},
		Capabilities: []types.ParticipantTokenCapability{types.ParticipantTokenCapabilityPublish},
	}))(t)
	token := made.ParticipantToken
	if lives := time.Until(*token.ExpirationTime); lives < 29*time.Minute || lives > 31*time.Minute {
		t.Fatalf("a token for 30 minutes lives %v", lives)
	}
	s.participant = *token.ParticipantId
	end := publish(t, *token.Token)
	eventually(t, "ann publishes", func() bool {
		stage := must(s.GetStage(ctx, &ivsrealtime.GetStageInput{Arn: &s.source}))(t).Stage
		if stage.ActiveSessionId == nil {
			return false
		}
		s.session = *stage.ActiveSessionId
		return s.person(t).Published
	})
	for index := range destinations {
		s.destinations = append(s.destinations, s.newStage(t, fmt.Sprintf("destination-%d", index)))
		if err := s.start(s.destinations[index]); err != nil {
			t.Fatal(err)
		}
	}
	return s, end
}

func (s *story) person(t *testing.T) *types.Participant {
	t.Helper()
	return must(s.GetParticipant(context.Background(), &ivsrealtime.GetParticipantInput{
		StageArn: &s.source, SessionId: &s.session, ParticipantId: &s.participant,
	}))(t).Participant
}

// TestStory publishes, replicates, pages, reads the history, and ends it all.
func TestStory(t *testing.T) {
	s, end := begin(t)
	t.Run("the participant", s.seesTheParticipant)
	t.Run("a replica", s.seesAReplica)
	t.Run("pages of any size", s.pagesOfAnySize)
	t.Run("from a token", s.goesOnFromAToken)
	t.Run("the history", s.readsTheHistory)
	t.Run("refusals", s.isRefused)
	end()
	eventually(t, "ann has left", func() bool {
		return s.person(t).State == types.ParticipantStateDisconnected
	})
	must(s.DeleteStage(context.Background(), &ivsrealtime.DeleteStageInput{Arn: &s.source}))(t)
}

func (s *story) seesTheParticipant(t *testing.T) {
	ann := s.person(t)
	if *ann.UserId != "ann" || ann.State != types.ParticipantStateConnected || ann.Attributes["role"] != "host" ||
		ann.Protocol != types.ParticipantProtocolWhip || ann.ReplicationType != types.ReplicationTypeSource ||
		time.Since(*ann.FirstJoinTime) > time.Hour {
		t.Fatalf("ann is %+v", ann)
	}
}

func (s *story) seesAReplica(t *testing.T) {
	ctx := context.Background()
	there := must(s.GetStage(ctx, &ivsrealtime.GetStageInput{Arn: &s.destinations[3]}))(t).Stage
	paginator := ivsrealtime.NewListParticipantsPaginator(s, &ivsrealtime.ListParticipantsInput{
		StageArn: there.Arn, SessionId: there.ActiveSessionId,
	})
	page := must(paginator.NextPage(ctx))(t)
	if len(page.Participants) != 1 || paginator.HasMorePages() {
		t.Fatalf("the destination has %+v", page.Participants)
	}
	replica := page.Participants[0]
	if *replica.ParticipantId != s.participant || replica.ReplicationType != types.ReplicationTypeReplica ||
		replica.ReplicationState != types.ReplicationStateActive || *replica.SourceStageArn != s.source ||
		*replica.SourceSessionId != s.session {
		t.Fatalf("the replica is %+v", replica)
	}
}

func (s *story) pagesOfAnySize(t *testing.T) {
	for _, limit := range []int32{0, 1, 2, 3, destinations, 50} {
		_, order, pages := s.replicas(t, limit, nil)
		if !slices.Equal(order, s.destinations) {
			t.Fatalf("in pages of %d: %v, not %v", limit, order, s.destinations)
		}
		if limit > 0 && pages != (destinations+int(limit)-1)/int(limit) {
			t.Fatalf("%d pages of %d", pages, limit)
		}
	}
}

func (s *story) goesOnFromAToken(t *testing.T) {
	first := must(s.ListParticipantReplicas(context.Background(), &ivsrealtime.ListParticipantReplicasInput{
		SourceStageArn: &s.source, ParticipantId: &s.participant, MaxResults: aws.Int32(5),
	}))(t)
	late := s.newStage(t, "late")
	if err := s.start(late); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := s.replicas(t, 1, first.NextToken)
	if want := append(slices.Clone(s.destinations[5:]), late); !slices.Equal(rest, want) {
		t.Fatalf("from the token on: %v, not %v", rest, want)
	}
	if err := s.stop(late); err != nil {
		t.Fatal(err)
	}
	if states, _, _ := s.replicas(t, 2, nil); states[late] != types.ReplicationStateStopped ||
		states[s.destinations[0]] != types.ReplicationStateActive {
		t.Fatalf("after one was stopped: %v", states)
	}
}

func (s *story) readsTheHistory(t *testing.T) {
	paginator := ivsrealtime.NewListParticipantEventsPaginator(s, &ivsrealtime.ListParticipantEventsInput{
		StageArn: &s.source, SessionId: &s.session, ParticipantId: &s.participant,
	}, func(options *ivsrealtime.ListParticipantEventsPaginatorOptions) { options.Limit = 2 })
	var names []types.EventName
	var started []string
	for paginator.HasMorePages() {
		for _, event := range must(paginator.NextPage(context.Background()))(t).Events {
			names = append(names, event.Name)
			if event.Name == types.EventNameReplicationStarted {
				started = append(started, *event.DestinationStageArn)
			}
		}
	}
	if names[0] != types.EventNameJoined || !slices.Contains(names, types.EventNamePublishStarted) {
		t.Fatalf("the history is %v", names)
	}
	if !slices.Equal(started[:destinations], s.destinations) {
		t.Fatalf("replications were started into %v", started)
	}
}

func (s *story) isRefused(t *testing.T) {
	var conflict *types.ConflictException
	if err := s.start(s.destinations[0]); !errors.As(err, &conflict) {
		t.Fatalf("a second replication: %v", err)
	}
	var invalid *types.ValidationException
	if err := s.start(s.source); !errors.As(err, &invalid) {
		t.Fatalf("a replication into its source: %v", err)
	}
	var unknown *types.ResourceNotFoundException
	if err := s.stop(s.newStage(t, "idle")); !errors.As(err, &unknown) {
		t.Fatalf("the end of no replication: %v", err)
	}
}
