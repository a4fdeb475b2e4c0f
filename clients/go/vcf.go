// SPDX-License-Identifier: Apache-2.0

// Package vcf sends the DICOM files of a CT study to vcf-triton servers and returns its findings.
package vcf

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"vcf-triton/clients/go/kserve"
)

const (
	model = "vcf_dicom"
	input = "dicom_files"
	// How long the question for the contract may take, and the least time that a try is worth.
	patience, leastAttempt = time.Second, 100 * time.Millisecond
)

//go:embed contract.json
var document []byte

type tensor struct {
	Name, Dtype string
	Shape       []int64
}

// What the client needs of the contract, which `vcf export contract` writes.
var (
	version, notice             = at[string]("version"), at[string]("notice")
	versionParameter            = at[string]("served_as", "version")
	outputs                     = at[[]tensor]("entry_models", model, "outputs")
	known                       = at[map[string]any]("codes")
	refusal                     = regexp.MustCompile(at[string]("errors", "refusal"))
	rules                       = at[[]rule]("errors", "rules")
	usualAttempts               = at[int]("retry", "attempts")
	firstPause, longestPause    = at[float64]("retry", "first_s"), at[float64]("retry", "longest_s")
	headerPrefix                = at[string]("api_key_header_prefix")
	mostFiles, mostBytes        = at[int]("limits", "files"), at[int]("limits", "message_bytes")
	usualAddress, usualDeadline = at[string]("defaults", "address"), at[float64]("defaults", "deadline_s")
	stages, networks            = at[[]string]("stages"), at[[]string]("networks")
	schemaVersion, transport    = at[string]("findings", "schema_version"), at[string]("findings", "transport")
	hashKeyVariable, madeFrom   = at[string]("findings", "hash_key_variable"), at[[]string]("findings", "made_from")
)

func at[T any](path ...string) (value T) {
	raw := json.RawMessage(document)
	for _, key := range path {
		inside := map[string]json.RawMessage{}
		json.Unmarshal(raw, &inside)
		raw = inside[key]
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		panic(err) // the document is part of the program
	}
	return value
}

// Options of a client. Zero values stand for the contract's defaults.
type Options struct {
	Deadline  time.Duration // longest wait for the findings of a study, retries included
	Attempts  int           // how often a request that no server has begun is sent
	TLS       *tls.Config   // nil is a plain connection
	APIKey    string        // NAME=VALUE; to other machines over TLS only
	AgePolicy string        // "warn" or "block"
}

type server struct {
	address string
	service kserve.GRPCInferenceServiceClient
	channel *grpc.ClientConn
	speaks  atomic.Bool // whether it is known to speak our contract
}

// Client of one or more servers. Goroutines may share it.
type Client struct {
	options Options
	servers []*server
	turn    atomic.Uint32
}

// New makes a client of servers host:port, which are used in turn. No connection is made before the first study.
func New(addresses []string, options Options) (*Client, error) {
	if len(addresses) == 0 {
		addresses = []string{usualAddress}
	}
	options.Deadline = cmp.Or(options.Deadline, time.Duration(usualDeadline*float64(time.Second)))
	options.Attempts = cmp.Or(options.Attempts, usualAttempts)
	options.AgePolicy = cmp.Or(options.AgePolicy, "warn")
	if options.Deadline < 0 || options.Attempts < 0 || (options.APIKey != "" && !strings.Contains(options.APIKey, "=")) {
		return nil, fmt.Errorf("a deadline, attempts above 0 and an API key NAME=VALUE are accepted")
	}
	security := insecure.NewCredentials()
	if options.TLS != nil {
		security = credentials.NewTLS(options.TLS)
	}
	client := &Client{options: options}
	for _, address := range addresses {
		host, _, _ := net.SplitHostPort(address)
		if ip := net.ParseIP(host); options.APIKey != "" && options.TLS == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, fmt.Errorf("an API key goes to other machines over TLS only")
		}
		limit := mostBytes
		channel, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(security),
			grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(limit), grpc.MaxCallRecvMsgSize(limit)),
			grpc.WithDisableRetry(), grpc.WithNoProxy(), // a study goes to this address and nowhere else
			grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 5 * time.Second,
				Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}}))
		if err != nil {
			return nil, err
		}
		client.servers = append(client.servers, &server{address: address, channel: channel, service: kserve.NewGRPCInferenceServiceClient(channel)})
	}
	return client, nil
}

// Close ends the connections.
func (c *Client) Close() {
	for _, s := range c.servers {
		s.channel.Close()
	}
}

// Analyze sends the DICOM files of a study, a folder or a file. Errors are of the type *Error.
func (c *Client) Analyze(ctx context.Context, study string) (*Findings, error) {
	started := time.Now()
	content, count, err := readStudy(study)
	if err != nil {
		return nil, err
	}
	read := time.Now()
	request := &kserve.ModelInferRequest{
		ModelName:        model,
		Inputs:           []*kserve.ModelInferRequest_InferInputTensor{{Name: input, Datatype: "BYTES", Shape: []int64{int64(count)}}},
		RawInputContents: [][]byte{content},
	}
	for _, name := range madeFrom {
		request.Outputs = append(request.Outputs, &kserve.ModelInferRequest_InferRequestedOutputTensor{Name: name})
	}
	prepared := time.Now()
	answer, err := c.send(ctx, request, prepared.Add(c.options.Deadline))
	if err != nil {
		return nil, err
	}
	ms := func(from, to time.Time) float64 { return to.Sub(from).Seconds() * 1e3 }
	clientMs := map[string]float64{"read": ms(started, read), "prepare": ms(read, prepared), "network": ms(prepared, time.Now())}
	return findings(answer, proto.Size(request), clientMs)
}

// send asks the servers in turn, and again after a pause where no server has begun to work on the study.
func (c *Client) send(ctx context.Context, request *kserve.ModelInferRequest, until time.Time) (*kserve.ModelInferResponse, error) {
	first := int(c.turn.Add(1)-1) % len(c.servers)
	for attempt := 1; ; attempt++ {
		var kept *Error
		for i := range c.servers {
			s := c.servers[(first+i)%len(c.servers)]
			if time.Until(until) <= 0 && kept != nil {
				return nil, kept
			}
			answer, failed := c.ask(ctx, s, request, until)
			if failed == nil {
				return answer, nil
			}
			if failed.retry == never {
				return nil, failed
			}
			if kept == nil || kept.retry != again {
				kept = failed
			}
		}
		longest := min(longestPause, firstPause*float64(uint64(1)<<min(attempt-1, 60)))
		pause := time.Duration(mathrand.Float64() * longest * float64(time.Second))
		if kept.retry == elsewhere || attempt >= c.options.Attempts || time.Until(until) < pause+leastAttempt {
			return nil, kept
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, late(c.servers[first].address)
		}
	}
}

// ask has one server compare contracts, once, and analyse the study.
func (c *Client) ask(ctx context.Context, s *server, request *kserve.ModelInferRequest, until time.Time) (*kserve.ModelInferResponse, *Error) {
	if name, value, ok := strings.Cut(c.options.APIKey, "="); ok {
		ctx = metadata.AppendToOutgoingContext(ctx, headerPrefix+name, value)
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if !s.speaks.Load() {
		asking, stop := context.WithTimeout(ctx, patience)
		config, err := s.service.ModelConfig(asking, &kserve.ModelConfigRequest{Name: model})
		stop()
		// Of a server that does not say, the study itself tells what is wrong.
		if parameter, named := config.GetConfig().GetParameters()[versionParameter]; err == nil && named {
			if !speaks.MatchString(parameter.StringValue) {
				return nil, &Error{Code: "CONTRACT_DIFFERS", Sentence: fmt.Sprintf("the server at %s speaks the contract %s, this client %s",
					s.address, parameter.StringValue, version), retry: elsewhere}
			}
			s.speaks.Store(true)
		}
	}
	request.Id = "go-" + rand.Text()
	request.Parameters = map[string]*kserve.InferParameter{
		"timeout":    {ParameterChoice: &kserve.InferParameter_Int64Param{Int64Param: max(1, time.Until(until).Microseconds())}},
		"age_policy": {ParameterChoice: &kserve.InferParameter_StringParam{StringParam: c.options.AgePolicy}},
	}
	answer, err := s.service.ModelInfer(ctx, request)
	if err != nil {
		return nil, fault(err, s.address, c.options.TLS != nil)
	}
	return answer, nil
}

var speaks = regexp.MustCompile(`^` + strings.Split(version, ".")[0] + `\.\d+\.\d+$`)

// element is what a BYTES tensor holds of one value: its length, 32 bits little-endian, and its bytes.
func element(to, value []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(to, uint32(len(value))), value...)
}
