package main

import "time"

// command is what a person asks of the desk. Fields that this tool never sets have defaults in the schema.
type command struct {
	CommandID    string    `avro:"command_id"`
	Kind         string    `avro:"kind"`
	Actor        string    `avro:"actor"`
	IssuedAt     time.Time `avro:"issued_at"`
	TaskID       string    `avro:"task_id"`
	Epoch        int64     `avro:"epoch"`
	PayloadHash  string    `avro:"payload_hash"`
	Verdict      string    `avro:"verdict"`
	Outcome      string    `avro:"outcome"`
	ReasonCode   string    `avro:"reason_code"`
	ReasonText   string    `avro:"reason_text"`
	Attestations []string  `avro:"attestations"`
}

type reply struct {
	CommandID  string     `avro:"command_id"`
	Kind       string     `avro:"kind"`
	Actor      string     `avro:"actor"`
	TaskID     string     `avro:"task_id"`
	Accepted   bool       `avro:"accepted"`
	Code       string     `avro:"code"`
	Message    string     `avro:"message"`
	Epoch      int64      `avro:"epoch"`
	LeaseUntil *time.Time `avro:"lease_until"`
}

type task struct {
	TaskID         string     `avro:"task_id"`
	Kind           string     `avro:"kind"`
	State          string     `avro:"state"`
	Queue          string     `avro:"queue"`
	Priority       string     `avro:"priority"`
	Route          string     `avro:"route"`
	Domain         string     `avro:"domain"`
	Prediction     string     `avro:"prediction"`
	Confidence     float64    `avro:"confidence"`
	RoutedAt       time.Time  `avro:"routed_at"`
	Deadline       time.Time  `avro:"deadline"`
	Blind          bool       `avro:"blind"`
	Arm            string     `avro:"arm"`
	Options        []string   `avro:"options"`
	Reasons        []string   `avro:"reasons"`
	RoutedOutcomes []string   `avro:"routed_outcomes"`
	Attestations   []string   `avro:"routed_attestations"`
	Statement      string     `avro:"statement"`
	AssignedTo     string     `avro:"assigned_to"`
	LeaseHolder    string     `avro:"lease_holder"`
	LeaseEpoch     int64      `avro:"lease_epoch"`
	LeaseUntil     *time.Time `avro:"lease_until"`
	PayloadHash    string     `avro:"payload_hash"`
	Topic          string     `avro:"topic"`
	Partition      int32      `avro:"partition"`
	Offset         int64      `avro:"offset"`
}

type routedDecision struct {
	RoutedAt time.Time `avro:"routed_at"`
	Decision struct {
		CreatedAt   time.Time         `avro:"created_at"`
		Amount      *float64          `avro:"amount"`
		Attributes  map[string]string `avro:"attributes"`
		Input       string            `avro:"input"`
		Explanation struct {
			Reasoning string `avro:"reasoning"`
		} `avro:"explanation"`
	} `avro:"decision"`
}
