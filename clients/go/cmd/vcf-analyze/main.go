// SPDX-License-Identifier: Apache-2.0

// Command vcf-analyze sends one study to running servers and prints its findings, or the error, as JSON.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	vcf "vcf-triton/clients/go"
)

func main() {
	var servers []string
	flag.Func("server", "`HOST:PORT`, gRPC; again for several in turn", func(s string) error { servers = append(servers, s); return nil })
	deadline := flag.Float64("deadline", 120, "longest wait for the answer in `S`")
	attempts := flag.Int("attempts", 5, "how often to try a server that is not there or full")
	agePolicy := flag.String("age-policy", "warn", "warn or block")
	ca, cert, key := flag.String("tls-ca", "", "`PEM` of the server's authority; turns TLS on"), flag.String("tls-cert", "", "`PEM`"), flag.String("tls-key", "", "`PEM`")
	keyFile := flag.String("api-key-file", "", "`FILE` with a line NAME=VALUE")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: vcf-analyze [options] STUDY\nexit codes: 0 analysed, 2 refused, 3 server, 64 wrong usage")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || *deadline <= 0 || *attempts < 1 {
		flag.Usage()
		os.Exit(64)
	}
	options := vcf.Options{Deadline: time.Duration(*deadline * float64(time.Second)), Attempts: *attempts, AgePolicy: *agePolicy}
	if *ca != "" || *cert != "" {
		options.TLS = &tls.Config{}
		if *ca != "" {
			options.TLS.RootCAs = x509.NewCertPool()
			options.TLS.RootCAs.AppendCertsFromPEM(read(*ca))
		}
		if *cert != "" {
			pair, err := tls.LoadX509KeyPair(*cert, *key)
			stop(err)
			options.TLS.Certificates = []tls.Certificate{pair}
		}
	}
	if *keyFile != "" {
		options.APIKey = strings.TrimSpace(string(read(*keyFile)))
	}
	client, err := vcf.New(servers, options)
	stop(err)
	defer client.Close()
	out := json.NewEncoder(os.Stdout)
	findings, err := client.Analyze(context.Background(), flag.Arg(0))
	var failed *vcf.Error
	if errors.As(err, &failed) {
		out.Encode(map[string]any{"error": map[string]string{"code": failed.Code, "sentence": failed.Sentence}})
		if failed.Refused {
			os.Exit(2)
		}
		os.Exit(3)
	}
	stop(err)
	out.SetIndent("", "  ")
	stop(out.Encode(findings))
}

func read(path string) []byte {
	content, err := os.ReadFile(path)
	stop(err)
	return content
}

func stop(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vcf-analyze:", err)
		os.Exit(1)
	}
}
