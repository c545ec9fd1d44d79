// A reviewer tool that knows Interlock by its contracts alone: Kafka, Avro and docs/reviewer-tools.md.
//
//	interlock schemas export contracts
//	go run . client.properties contracts tasks
//	go run . client.properties contracts review --as ann
//
// client.properties has bootstrap.servers and, where Kafka asks for it, security.protocol, sasl.mechanism,
// sasl.username, sasl.password and ssl.ca.location, one name=value a line.
package main

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	failed = 1
	misuse = 2
)

// arguments are who acts on what, and what to answer without asking.
type arguments struct {
	person, task, verdict, outcome, reason, text string
	attest                                       bool
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: reviewer PROPERTIES CONTRACTS tasks|review|off-duty [--as REVIEWER] [--task ID] …")
		os.Exit(misuse)
	}
	var given arguments
	flags := flag.NewFlagSet("reviewer", flag.ExitOnError)
	flags.StringVar(&given.person, "as", "", "who you are")
	flags.StringVar(&given.task, "task", "", "this task, and not the one that is next")
	flags.StringVar(&given.verdict, "verdict", "", "approve, reject, modify or choose; asked for if it is missing")
	flags.StringVar(&given.outcome, "outcome", "", "of all but approve; may be empty where only one other is possible")
	flags.StringVar(&given.reason, "reason", "", "one of the policy's reason codes")
	flags.StringVar(&given.text, "text", "", "the reason in your own words")
	flags.BoolVar(&given.attest, "attest", false, "declare what the task wants declared")
	_ = flags.Parse(os.Args[4:]) // it exits where it fails
	what := os.Args[3]
	if what != "tasks" && given.person == "" {
		fmt.Fprintln(os.Stderr, "who are you? --as REVIEWER")
		os.Exit(misuse)
	}
	if err := run(what, os.Args[1], os.Args[2], given); err != nil {
		fmt.Fprintf(os.Stderr, "refused: %s\n", err)
		os.Exit(failed)
	}
}

func run(what, properties, directory string, given arguments) error {
	options, err := connection(properties)
	if err != nil {
		return err
	}
	known, err := readContracts(directory)
	if err != nil {
		return err
	}
	opened, err := openDesk(options, known, given.person)
	if err != nil {
		return err
	}
	defer opened.close()
	switch what {
	case "tasks":
		return list(opened)
	case "review":
		return review(opened, given)
	case "off-duty":
		_, err := say(opened.ask(command{Kind: "off_duty"}))
		return err
	}
	return fmt.Errorf("%s: this tool knows tasks, review and off-duty", what)
}

// list shows the open tasks, the next deadline first.
func list(d *desk) error {
	found, err := d.tasks()
	if err != nil {
		return err
	}
	open := make([]task, 0, len(found))
	for _, one := range found {
		if one.State != "done" {
			open = append(open, one)
		}
	}
	slices.SortFunc(open, func(a, b task) int {
		return cmp.Or(a.Deadline.Compare(b.Deadline), strings.Compare(a.TaskID, b.TaskID))
	})
	for _, one := range open {
		words := []string{one.TaskID, one.Queue, one.Priority, "due " + moment(one.Deadline), one.State, cmp.Or(one.LeaseHolder, one.AssignedTo)}
		fmt.Println(visible(strings.TrimRight(strings.Join(words, "  "), " ")))
	}
	return nil
}

func review(d *desk, given arguments) error {
	if _, err := say(d.ask(command{Kind: "on_duty"})); err != nil {
		return err
	}
	claimed, err := d.ask(command{Kind: "claim", TaskID: given.task})
	if err != nil {
		return err
	}
	held := command{TaskID: claimed.TaskID, Epoch: claimed.Epoch}
	about, err := d.leased(claimed)
	if err != nil {
		return err
	}
	routed, err := d.payload(about)
	if err != nil {
		held.Kind = "release" // somebody else may have the means to see it
		_, _ = d.ask(held)
		return err
	}
	show(about, routed)

	answers := bufio.NewScanner(os.Stdin)
	verdict := held
	verdict.Kind, verdict.PayloadHash = "submit", about.PayloadHash
	question := "approve, reject, modify or choose?"
	if about.Blind {
		question = "choose?"
	}
	verdict.Verdict = answer(answers, given.verdict, question)
	verdict.Outcome = given.outcome
	if given.verdict == "" && verdict.Verdict != "approve" {
		verdict.Outcome = answer(answers, given.outcome, "outcome?")
	}
	verdict.ReasonCode = answer(answers, given.reason, "reason code (agree, other, or one of the policy's)?")
	verdict.ReasonText = answer(answers, given.text, "reason in your own words?")
	if given.attest {
		verdict.Attestations = about.Attestations
	}
	held.Kind = "extend" // the person took time
	lease, err := d.ask(held)
	if err != nil {
		return err
	}
	fmt.Println("held until", moment(*lease.LeaseUntil))
	decided, err := d.ask(verdict)
	if err == nil {
		fmt.Printf("%s: %s\n", decided.Code, visible(decided.Message))
	}
	return err
}

// show prints the case as this person may see it. Not where it stands: an old place would tell that a case was planted.
func show(about *task, routed *routedDecision) {
	decision := routed.Decision
	facts := make([]string, 0, len(decision.Attributes))
	for name, value := range decision.Attributes {
		facts = append(facts, name+" = "+value)
	}
	slices.Sort(facts)
	outcomes := about.Options
	if len(outcomes) == 0 {
		outcomes = about.RoutedOutcomes
	}
	amount := ""
	if decision.Amount != nil {
		amount = strconv.FormatFloat(*decision.Amount, 'g', -1, 64)
	}
	lines := [][2]string{
		{"task", about.TaskID},
		{"domain", about.Domain},
		{"decided", moment(decision.CreatedAt)},
		{"due", moment(about.Deadline)},
		{"held until", moment(*about.LeaseUntil)},
		{"amount", amount},
		{"facts", strings.Join(facts, ", ")},
		{"input", decision.Input},
		{"outcomes", strings.Join(outcomes, ", ")},
		{"declare", strings.Join(about.Attestations, "; ")},
		{"statement", about.Statement},
	}
	if about.Blind || about.Route == "manual" {
		lines = append(lines, [2]string{"the model", "is not shown before the verdict"})
	} else {
		lines = append(lines, [2]string{"the model", fmt.Sprintf("%s, sure to %.0f%%", about.Prediction, 100*about.Confidence)})
		if about.Arm == "" { // in an experiment with what people rely on, its reasons could give it away
			lines = append(lines, [2]string{"because", decision.Explanation.Reasoning},
				[2]string{"asked", strings.Join(about.Reasons, ", ")})
		}
	}
	for _, line := range lines {
		if line[1] != "" {
			fmt.Printf("%10s  %s\n", line[0], visible(line[1]))
		}
	}
}

func say(answered *reply, err error) (*reply, error) {
	if err == nil {
		fmt.Println(visible(answered.Message))
	}
	return answered, err
}

func answer(answers *bufio.Scanner, given, question string) string {
	if given != "" {
		return given
	}
	fmt.Print(question, " ")
	answers.Scan()
	return strings.TrimSpace(answers.Text())
}

// visible gives a producer's text with control characters and marks of writing direction as escapes.
func visible(text string) string {
	var shown strings.Builder
	for _, sign := range text {
		if unicode.IsPrint(sign) {
			shown.WriteRune(sign)
		} else {
			shown.WriteString(strings.Trim(strconv.QuoteRuneToASCII(sign), "'"))
		}
	}
	return shown.String()
}

func moment(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05") + " UTC" }
