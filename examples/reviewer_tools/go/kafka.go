package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// connection reads a file with properties, one name=value a line, called as librdkafka calls them.
func connection(path string) ([]kgo.Opt, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	given := map[string]string{"security.protocol": "PLAINTEXT", "sasl.mechanism": "PLAIN"}
	for _, line := range strings.Split(string(content), "\n") {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(name, "#") {
			given[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	// A wrong password fails every attempt, and one is enough to say so.
	options := []kgo.Opt{kgo.RequestRetries(1)}
	for name, value := range given {
		switch name {
		case "bootstrap.servers":
			options = append(options, kgo.SeedBrokers(strings.Split(value, ",")...))
		case "security.protocol", "sasl.username", "sasl.password", "ssl.ca.location":
		case "sasl.mechanism":
			if strings.HasPrefix(given["security.protocol"], "SASL_") {
				mechanism, err := mechanism(value, given["sasl.username"], given["sasl.password"])
				if err != nil {
					return nil, err
				}
				options = append(options, kgo.SASL(mechanism))
			}
		default:
			return nil, fmt.Errorf("%s: this tool does not know the property %s", path, name)
		}
	}
	if strings.HasSuffix(given["security.protocol"], "SSL") {
		config, err := trust(given["ssl.ca.location"])
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	return options, nil
}

func mechanism(name, user, password string) (sasl.Mechanism, error) {
	switch name {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("sasl.mechanism %s: this tool knows PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512", name)
}

func trust(path string) (*tls.Config, error) {
	if path == "" {
		return &tls.Config{}, nil
	}
	certificates, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("%s has no certificate", path)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// reader reads one partition from an offset on, nothing of transactions that were aborted.
func reader(options []kgo.Opt, topic string, partition int32, offset int64) (*kgo.Client, error) {
	return kgo.NewClient(append(options[:len(options):len(options)],
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// They tell how far the reader has come, where a topic ends with the end of a transaction.
		kgo.KeepControlRecords(),
	)...)
}

// next gives the records that have come, at least one.
func next(ctx context.Context, client *kgo.Client) ([]*kgo.Record, error) {
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		return nil, err
	}
	return fetches.Records(), nil
}
