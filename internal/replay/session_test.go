package replay

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// Stop unloads the code and waits for its deferred functions.
func (s *Session) Stop() {
	done := make(chan struct{})
	s.Unload(func() { close(done) })
	<-done
}

func TestGUIDVectors(t *testing.T) {
	now := time.Date(2024, 1, 2, 3, 4, 5, 123456700, time.UTC)
	inProcess := guidNamespace
	inProcess[3] = 0x59
	for _, test := range []struct {
		namespace [16]byte
		want      string
	}{
		{inProcess, "fb154865-1925-5313-a849-736ef6449177"},
		{guidNamespace, "b3f7c854-5a21-59cb-8e84-6203c1549376"},
	} {
		if got := newGUID(test.namespace, "abc", now, 0); got != test.want {
			t.Errorf("newGUID(%x, abc, %s, 0) = %s; want %s", test.namespace, now, got, test.want)
		}
	}
}

func TestGUIDsDifferWithinAnExecution(t *testing.T) {
	d := newDriver(t, code(func(c *Context, input string) string {
		first := c.NewGUID() + c.NewGUID()
		wait(c, call(c, "A", ""))
		return first + c.NewGUID()
	}), true)
	d.turn(start(""))
	out, err := d.turn(done(0, ""))
	guids, _ := end(t, out, err)
	if a, b, c := guids[:36], guids[36:72], guids[72:]; a == b || b == c || a == c || a[14] != '5' {
		t.Errorf("NewGUID() = %s, %s, %s; want three of version 5 that differ", a, b, c)
	}
}

func TestNowIsTheTurns(t *testing.T) {
	for _, evict := range []bool{false, true} {
		var times []time.Time
		d := newDriver(t, code(func(c *Context, input string) string {
			times = []time.Time{c.Now(), c.Now()}
			wait(c, call(c, "A", ""))
			times = append(times, c.Now())
			return ""
		}), evict)
		d.turn(start(""))
		d.turn(done(0, ""))
		if !times[0].Equal(epoch) || !times[1].Equal(epoch) || !times[2].Equal(epoch.Add(time.Minute)) {
			t.Errorf("evict=%v: Now() = %v; want %s twice, then a minute later", evict, times, epoch)
		}
	}
}

func TestLogLinesAppearOnce(t *testing.T) {
	var logged bytes.Buffer
	var replaying []bool
	d := newDriver(t, code(func(c *Context, input string) string {
		log := c.Logger().With("part", 1)
		for i := range 10 {
			replaying = append(replaying, c.Replaying())
			log.Info("step", "i", i)
			wait(c, call(c, "A", ""))
		}
		return ""
	}), true)
	d.config.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	d.turn(start(""))
	for i := range 10 {
		replaying = nil
		d.turn(done(int32(i), ""))
	}
	if got := strings.Count(logged.String(), "step"); got != 10 {
		t.Errorf("10 lines in 10 replayed turns were written %d times:\n%s", got, logged.String())
	}
	if got, want := strings.Count(logged.String(), "instance=abc execution=e0 part=1"), 10; got != want {
		t.Errorf("%d lines name instance and execution; want %d:\n%s", got, want, logged.String())
	}
	if !replaying[0] || !replaying[9] {
		t.Errorf("Replaying() in the last turn = %v; want true all along", replaying)
	}
}

func TestTimerIsNeverEarly(t *testing.T) {
	d := newDriver(t, code(func(c *Context, input string) string {
		return wait(c, c.CreateTimer(c.Now().Add(101*time.Nanosecond)))
	}), false)
	out, err := d.turn(start(""))
	if want := epoch.Add(200 * time.Nanosecond); err != nil || !out.Actions[0].FireAt.Equal(want) {
		t.Errorf("CreateTimer(now+101ns) is due %v, %v; want %s", out.Actions, err, want)
	}
}

func TestRunReportsHistoryErrors(t *testing.T) {
	broken := errors.New("disk gone")
	work := history.Work{
		PastTurns: 1,
		Past: func(context.Context) iter.Seq2[history.Turn, error] {
			return func(yield func(history.Turn, error) bool) { yield(history.Turn{}, broken) }
		},
	}
	s := New(programs["sequence"].run, Config{Instance: history.Instance{ID: "abc"}})
	defer s.Stop()
	if _, err := s.Run(context.Background(), work); !errors.Is(err, broken) || !strings.Contains(err.Error(), "abc") {
		t.Errorf("Run(broken history) = %v; want an error that names abc and wraps %v", err, broken)
	}

	work.Past = func(context.Context) iter.Seq2[history.Turn, error] {
		return func(func(history.Turn, error) bool) {}
	}
	short := New(programs["sequence"].run, Config{Instance: history.Instance{ID: "abc"}})
	defer short.Stop()
	if _, err := short.Run(context.Background(), work); err == nil {
		t.Errorf("Run(history shorter than PastTurns) = nil; want an error")
	}
}

func TestCustomStatusOfEarlierTurnsIsNotSentAgain(t *testing.T) {
	d := newDriver(t, code(func(c *Context, input string) string {
		c.SetCustomStatus(raw("1"))
		c.SetCustomStatus(raw("2"))
		return wait(c, call(c, "A", ""))
	}), true)
	out, err := d.turn(start(""))
	if err != nil || out.CustomStatus == nil || string(*out.CustomStatus) != "2" {
		t.Errorf("first turn = %+v, %v; want custom status 2", out, err)
	}
	if out, err := d.turn(raised("x", "")); err != nil || out.CustomStatus != nil {
		t.Errorf("second turn = %+v, %v; want the custom status unchanged", out, err)
	}
}
