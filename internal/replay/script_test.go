package replay

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/history"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew from what the code does")

// driver stands in for an engine: it remembers the history of one execution and
// runs its turns, in a session that it keeps or, with evict, builds anew for
// every turn.
type driver struct {
	t       testing.TB
	evict   bool
	run     Func
	config  Config
	past    []history.Turn
	session *Session
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newDriver(t testing.TB, run Func, evict bool) *driver {
	d := &driver{t: t, evict: evict, run: run}
	d.config.Instance = history.Instance{Number: 1, ID: "abc", ExecutionID: "e0", Name: "Program"}
	t.Cleanup(d.drop)
	return d
}

func (d *driver) drop() {
	if d.session != nil {
		d.session.Stop()
		d.session = nil
	}
}

// turn runs one turn, a minute after the one before, and records it.
func (d *driver) turn(events ...history.Event) (history.Outcome, error) {
	at := epoch.Add(time.Duration(len(d.past)) * time.Minute)
	for i := range events {
		events[i].At = at
	}
	if d.evict {
		d.drop()
	}
	if d.session == nil {
		d.session = New(d.run, d.config)
	}
	turn := history.Turn{Seq: uint32(len(d.past) + 1), At: at, Events: events}
	out, err := d.session.Run(context.Background(), history.Work{
		Instance: d.config.Instance, Turn: turn, PastTurns: len(d.past), Past: d.turns,
	})
	if err != nil {
		return out, err
	}
	recorded := turn
	recorded.Events = events[:len(events):len(events)]
	for i := range out.Actions {
		if ev, ok := out.Actions[i].Event(at); ok {
			recorded.Events = append(recorded.Events, ev)
		}
	}
	d.past = append(d.past, recorded)
	return out, nil
}

func (d *driver) turns(context.Context) iter.Seq2[history.Turn, error] {
	return func(yield func(history.Turn, error) bool) {
		for _, turn := range d.past {
			if !yield(turn, nil) {
				return
			}
		}
	}
}

func start(input string) history.Event {
	return history.Event{Kind: history.ExecutionStarted, ID: history.NoID, Name: "Program", Payload: raw(input), Started: &history.Started{}}
}

func done(id int32, result string) history.Event {
	return history.Event{Kind: history.TaskCompleted, ID: history.NoID, TaskID: id, Payload: raw(result)}
}

func failedTask(id int32, message string) history.Event {
	return history.Event{Kind: history.TaskFailed, ID: history.NoID, TaskID: id, Failure: &history.Failure{Type: "*main.Error", Message: message}}
}

func fired(id int32) history.Event {
	return history.Event{Kind: history.TimerFired, ID: history.NoID, TaskID: id}
}

func raised(name, payload string) history.Event {
	return history.Event{Kind: history.EventRaised, ID: history.NoID, Name: name, Payload: raw(payload)}
}

func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// TestScripts plays testdata/*.txt. A script is a list of turns:
//
//	program NAME        the code, one of programs; later: other code is deployed
//	turn                begins a turn; its events follow
//	start INPUT         ... ExecutionStarted
//	done|child ID RESULT, fail|childfail ID TEXT, fired ID, raise NAME PAYLOAD, suspend, resume
//	> ...               what came out of the turn (written by -rewrite)
//
// Every script must lead to the same with a session that is kept and with one
// rebuilt for every turn.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob(testdata/*.txt) = %v, %v; want some files", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if *rewrite {
			if err := os.WriteFile(file, []byte(play(t, string(text), false)), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, evict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/evict=%v", strings.TrimSuffix(filepath.Base(file), ".txt"), evict), func(t *testing.T) {
				if diff := cmp.Diff(string(text), play(t, string(text), evict)); diff != "" {
					t.Errorf("play(%s, evict=%v) differs from the file (-file +played):\n%s", file, evict, diff)
				}
			})
		}
	}
}

// play returns the script with the outputs that it leads to.
func play(t *testing.T, script string, evict bool) string {
	d := newDriver(t, nil, evict)
	var out strings.Builder
	var events []history.Event
	inTurn := false
	finish := func() {
		if inTurn {
			outcome, err := d.turn(events...)
			print(&out, outcome, err)
			events, inTurn = nil, false
		}
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == ">":
			continue
		case line == "":
			finish()
			out.WriteString("\n")
			continue
		case strings.HasPrefix(word, "#"):
		case word == "program":
			p, ok := programs[rest]
			if !ok {
				t.Fatalf("script names program %q, which is not in programs", rest)
			}
			d.drop()
			d.run = p.run
			p.configure(&d.config)
		case word == "turn":
			inTurn = true
		default:
			events = append(events, parseEvent(t, word, rest))
		}
		out.WriteString(line + "\n")
	}
	finish()
	return out.String()
}

func parseEvent(t *testing.T, word, rest string) history.Event {
	first, second, _ := strings.Cut(rest, " ")
	id, _ := strconv.Atoi(first)
	ev := history.Event{ID: history.NoID, TaskID: int32(id)}
	switch word {
	case "start":
		return start(rest)
	case "done":
		return done(int32(id), second)
	case "fail":
		return failedTask(int32(id), second)
	case "child":
		ev.Kind, ev.Payload = history.SubOrchestrationInstanceCompleted, raw(second)
	case "childfail":
		ev.Kind, ev.Failure = history.SubOrchestrationInstanceFailed, &history.Failure{Type: "*main.Error", Message: second}
	case "fired":
		return fired(int32(id))
	case "raise":
		return raised(first, second)
	case "suspend":
		ev.Kind = history.ExecutionSuspended
	case "resume":
		ev.Kind = history.ExecutionResumed
	default:
		t.Fatalf("script has unknown line %q", word+" "+rest)
	}
	return ev
}

// print writes one line for each thing that came out of a turn.
func print(out *strings.Builder, o history.Outcome, err error) {
	if err != nil {
		fmt.Fprintf(out, "> error: %v\n", err)
		return
	}
	if o.CustomStatus != nil {
		fmt.Fprintf(out, "> custom status %s\n", *o.CustomStatus)
	}
	for _, a := range o.Actions {
		fmt.Fprintf(out, "> %s #%d", a.Kind, a.ID)
		if a.Name != "" {
			fmt.Fprintf(out, " %s", a.Name)
		}
		if a.Instance != "" {
			fmt.Fprintf(out, " instance=%s", a.Instance)
		}
		if !a.FireAt.IsZero() {
			fmt.Fprintf(out, " at %s", a.FireAt.Format(time.RFC3339))
		}
		if a.Kind == history.CompleteExecution {
			fmt.Fprintf(out, " %s", a.Status)
		}
		if a.Payload != nil {
			fmt.Fprintf(out, " %s", a.Payload)
		}
		if a.Failure != nil {
			fmt.Fprintf(out, " %s", a.Failure)
		}
		for _, ev := range a.Carry {
			fmt.Fprintf(out, " carry=%s:%s", ev.Name, ev.Payload)
		}
		out.WriteString("\n")
	}
	if len(o.Actions) == 0 && o.CustomStatus == nil {
		out.WriteString("> nothing\n")
	}
}
