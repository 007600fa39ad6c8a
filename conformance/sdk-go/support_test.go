// Package story holds the AWS SDK for Go, unmodified, against the real binary.
//
// Where the server is, its keys, and how to publish come from the environment: see conformance/agreement/test_sdks.py.
package story

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ivsrealtime"
)

const (
	waitFor  = 20 * time.Second
	pollEach = 50 * time.Millisecond
)

// place tells where a server is and who asks it.
type place struct {
	URL             string `json:"url"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// client does not retry, so that no error stays unseen.
func (p place) client() *ivsrealtime.Client {
	return ivsrealtime.New(ivsrealtime.Options{
		BaseEndpoint: aws.String(p.URL),
		Region:       p.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(p.AccessKeyID, p.SecretAccessKey, ""),
		Retryer:      aws.NopRetryer{},
	})
}

// placeOfTest skips the test when nobody started a server for it.
func placeOfTest(t *testing.T) place {
	t.Helper()
	p := place{
		URL:             os.Getenv("SDK_URL"),
		Region:          os.Getenv("SDK_REGION"),
		AccessKeyID:     os.Getenv("SDK_ACCESS_KEY_ID"),
		SecretAccessKey: os.Getenv("SDK_SECRET_ACCESS_KEY"),
	}
	if p.URL == "" {
		t.Skip("SDK_URL is not set: run conformance/agreement, which starts a server")
	}
	return p
}

// publish starts a publisher that is not of this SDK, and returns when media can flow. What is returned ends it.
func publish(t *testing.T, token string) func() {
	t.Helper()
	command := exec.Command(os.Getenv("SDK_PYTHON"), "-m", "support.publish", token)
	command.Dir = os.Getenv("SDK_PYTHON_DIR")
	command.Stderr = os.Stderr
	input := must(command.StdinPipe())(t)
	output := must(command.StdoutPipe())(t)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() {
		_ = input.Close()
		_ = command.Wait()
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || line != "published\n" {
		t.Fatalf("the publisher said %q: %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, output) }()
	return end
}

// must takes a call's result and fails the test on its error.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// eventually waits until check is true.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(waitFor); !check(); time.Sleep(pollEach) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", waitFor, what)
		}
	}
}
