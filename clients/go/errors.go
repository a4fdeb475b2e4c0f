// SPDX-License-Identifier: Apache-2.0

package vcf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const never, elsewhere, again = "never", "elsewhere", "again"

// Error says why there are no findings. Code is one of the contract's: of a refusal, or of errors.codes.
type Error struct {
	Code, Sentence string
	// Refused is true where the study cannot or must not be analysed: an answer, not a failure.
	Refused bool
	retry   string
}

func (e *Error) Error() string { return e.Code + ": " + e.Sentence }

func refused(code, sentence string) *Error {
	return &Error{Code: code, Sentence: sentence, Refused: true, retry: never}
}

func late(address string) *Error {
	return &Error{Code: "DEADLINE_EXCEEDED", Sentence: "no answer from " + address + " in time", retry: never}
}

type rule struct {
	Statuses            []string
	Words, Error, Retry string
}

var (
	// What gRPC for Go says of a connection that never came about, so that nothing was sent.
	noConnection   = regexp.MustCompile(`connection error: desc|name resolver error|no children to pick from`)
	badCertificate = regexp.MustCompile(`handshake failed|tls:|x509:`)
	inner          = regexp.MustCompile(`([a-z])([A-Z])`)
)

// fault says what a failed call means, by the rules of the contract.
func fault(err error, address string, secure bool) *Error {
	failed := status.Convert(err)
	text := strings.Join(strings.Fields(failed.Message()), " ")
	for _, at := range refusal.FindAllStringSubmatchIndex(text, -1) {
		if code := text[at[2]:at[3]]; known[code] != nil {
			return refused(code, text[at[1]:])
		}
	}
	sentence := fmt.Sprintf("the server at %s: %s (%s)", address, failed.Code(), text)
	if failed.Code() == codes.Unavailable && noConnection.MatchString(text) {
		if secure && badCertificate.MatchString(text) {
			return &Error{Code: "NOT_TRUSTED", Sentence: sentence, retry: elsewhere}
		}
		return &Error{Code: "SERVER_UNAVAILABLE", Sentence: sentence, retry: again}
	}
	name := strings.ToUpper(inner.ReplaceAllString(failed.Code().String(), "${1}_${2}")) // DeadlineExceeded is DEADLINE_EXCEEDED
	for _, rule := range rules {
		if (len(rule.Statuses) == 0 || slices.Contains(rule.Statuses, name)) && regexp.MustCompile("(?i)"+rule.Words).MatchString(text) {
			return &Error{Code: rule.Error, Sentence: sentence, retry: rule.Retry}
		}
	}
	return &Error{Code: "SERVER_FAILED", Sentence: sentence, retry: never}
}
