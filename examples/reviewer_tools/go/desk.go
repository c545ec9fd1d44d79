package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	tasksTopic    = "reviews.tasks"
	commandsTopic = "reviews.commands"
	repliesTopic  = "reviews.replies"

	// A desk that was killed is replaced within fifteen seconds: a command is sent again until well after that. Sent
	// twice under one id it is carried out once.
	attemptTime = 5 * time.Second
	attempts    = 6

	// For what Kafka has and only needs to send.
	readTime = 30 * time.Second

	hashDigits = 32
)

// refusal says that the desk, or this tool, will not do it. The code is stable, the message is for the person.
type refusal struct{ code, message string }

func (refused *refusal) Error() string {
	return fmt.Sprintf("%s [%s]", visible(refused.message), refused.code)
}

// desk is the desk for one person.
type desk struct {
	options  []kgo.Opt
	known    *contracts
	person   string
	producer *kgo.Client
	replies  *kgo.Client
}

func openDesk(options []kgo.Opt, known *contracts, person string) (*desk, error) {
	producer, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	opened := &desk{options, known, person, producer, nil}
	// From the end as it is now, before the first command: no reply is missed, none of the past is read.
	end, err := opened.end(repliesTopic)
	if err == nil {
		opened.replies, err = reader(options, repliesTopic, 0, end)
	}
	if err != nil {
		producer.Close()
		return nil, err
	}
	return opened, nil
}

func (d *desk) close() {
	d.producer.Close()
	d.replies.Close()
}

// ask gives the desk's reply to a command; a refusal is an error, as is no reply.
func (d *desk) ask(asked command) (*reply, error) {
	asked.CommandID, asked.Actor, asked.IssuedAt = rand.Text(), d.person, time.Now()
	value, err := d.known.encode("Command", asked)
	if err != nil {
		return nil, err
	}
	key := asked.TaskID
	if key == "" {
		key = d.person
	}
	for range attempts {
		record := &kgo.Record{Topic: commandsTopic, Key: []byte(key), Value: value}
		answer, err := d.attempt(record, asked)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			continue
		case err != nil:
			return nil, err
		case !answer.Accepted:
			return nil, &refusal{answer.Code, answer.Message}
		}
		return answer, nil
	}
	return nil, &refusal{"no-reply", fmt.Sprintf("the desk did not answer %s within %s", asked.Kind, attempts*attemptTime)}
}

func (d *desk) attempt(record *kgo.Record, asked command) (*reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTime)
	defer cancel()
	if err := d.producer.ProduceSync(ctx, record).FirstErr(); err != nil {
		return nil, err
	}
	for {
		records, err := next(ctx, d.replies)
		if err != nil {
			return nil, err
		}
		for _, record := range records {
			if record.Attrs.IsControl() || string(record.Key) != asked.CommandID {
				continue
			}
			var answer reply
			if err := d.known.decode("CommandReply", record.Value, &answer); err != nil {
				return nil, err
			}
			// Somebody else may use the same id.
			if answer.Kind == asked.Kind && answer.Actor == asked.Actor && (asked.TaskID == "" || asked.TaskID == answer.TaskID) {
				return &answer, nil
			}
		}
	}
}

// tasks gives every task as it stands: the newest record of each key.
func (d *desk) tasks() (map[string]task, error) {
	found := map[string]task{}
	end, err := d.end(tasksTopic)
	if err != nil || end == 0 {
		return found, err
	}
	client, err := reader(d.options, tasksTopic, 0, 0)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	for {
		records, err := next(ctx, client)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", tasksTopic, err)
		}
		for _, record := range records {
			switch {
			case record.Attrs.IsControl():
			case record.Value == nil: // the desk has forgotten it
				delete(found, string(record.Key))
			default:
				var read task
				if err := d.known.decode("Task", record.Value, &read); err != nil {
					return nil, err
				}
				found[string(record.Key)] = read
			}
			if record.Offset >= end-1 {
				return found, nil
			}
		}
	}
}

// leased gives the task as an answered claim left it. Reply and task become visible together, but not in one read.
func (d *desk) leased(claimed *reply) (*task, error) {
	for deadline := time.Now().Add(readTime); time.Now().Before(deadline); {
		tasks, err := d.tasks()
		if err != nil {
			return nil, err
		}
		if found, there := tasks[claimed.TaskID]; there && found.LeaseEpoch >= claimed.Epoch {
			return &found, nil
		}
	}
	return nil, &refusal{"no-task", fmt.Sprintf("%s does not show %s", tasksTopic, claimed.TaskID)}
}

// payload gives the routed decision that the task is about, proved by its hash.
func (d *desk) payload(about *task) (*routedDecision, error) {
	client, err := reader(d.options, about.Topic, about.Partition, about.Offset)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	records, err := next(ctx, client)
	if err != nil || records[0].Offset != about.Offset {
		return nil, &refusal{"no-payload", "Kafka does not have the case any more; ClickHouse has it"}
	}
	value := records[0].Value
	digest := hashOf(value)
	if about.Kind == "gold" { // a planted case must not be found by the hash of the real one
		digest = hashOf([]byte(about.TaskID + "/" + digest))
	}
	if digest != about.PayloadHash {
		return nil, &refusal{"wrong-payload", "the case is not the one that the desk means"}
	}
	var routed routedDecision
	if err := d.known.decode("RoutedDecision", value, &routed); err != nil {
		return nil, &refusal{"damaged-payload", fmt.Sprintf("the case cannot be read whole (%s)", err)}
	}
	if about.Kind == "gold" {
		routed.Decision.CreatedAt = routed.Decision.CreatedAt.Add(about.RoutedAt.Sub(routed.RoutedAt))
	}
	return &routed, nil
}

// end is the offset behind the last committed record of a topic with one partition.
func (d *desk) end(topic string) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	offsets, err := kadm.NewClient(d.producer).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, &refusal{"no-kafka", err.Error()}
	}
	found, there := offsets.Lookup(topic, 0)
	if !there {
		return 0, &refusal{"no-kafka", fmt.Sprintf("topic %s does not exist, or may not be seen", topic)}
	}
	return found.Offset, found.Err
}

func hashOf(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content))[:hashDigits] }
