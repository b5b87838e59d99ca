package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// This file keeps the hub from taking more than it can hold. What is refused
// was not stored; what was taken will be done. Messages and results that belong
// to work at hand are always taken, since they are what ends it.

// admission keeps the work at hand within bounds: what is in memory and cannot
// leave it before it is done. That is what is not stored yet, messages that no
// turn has taken in, instances that are about to be decided, and activities
// without a result. Instances that only wait cost nothing here; the cache
// bounds them.
//
// Clients that bring work (start, restart, import, raise) come in while less
// than limit is at hand. Else they wait, in the order they came, and only so
// many and so long; then they are refused with [hub.ErrResourceExhausted], and
// nothing of them stays. There is no second mark below the limit that must be
// reached first: work that cannot move for long would shut the hub until then.
// What instances send each other, results, timers, and what operators do to
// instances that exist always gets through: it is how work ends.
type admission struct {
	hub    string // for errors
	advice string // what makes room, for errors
	limit  int64  // bytes
	tell   func(RefusalInfo)

	used    atomic.Int64 // bytes at hand
	crowded atomic.Bool  // somebody waits: whoever comes waits behind

	mu      sync.Mutex         // guards the rest; taken last
	waiting []*admissionWaiter // first come, first served
	bytes   int64              // of those in waiting
}

// admissionWaiter is a client's operation that waits to be admitted.
type admissionWaiter struct {
	bytes    int64
	admitted chan struct{} // closed when it is; its bytes are in use then
}

// What things are taken to cost in memory besides what callers bring: payloads,
// names, keys, tags.
const (
	messageBytes  = 512
	activityBytes = 1 << 10
	workBytes     = loadedBytes // an instance that is about to be decided
)

// Limits of those who wait to be admitted. Their bytes may be as many as those
// at hand. At 500 starts a second, 1,000 callers that each wait for their
// answer are all admitted within 2 s.
const (
	maxAdmissionWaiters = 4096
	patience            = 2 * time.Second
)

// inboxShare is the part of the limit, as a divisor, that the inbox of one
// instance may take: one that does not go on must not shut the hub for the
// others.
const inboxShare = 4

// newAdmission returns an admission to a hub, where nothing runs if it is idle.
func newAdmission(o *Options, idle bool) *admission {
	limit := o.MaxBacklogBytes
	if limit < 0 {
		limit = math.MaxInt
	}
	a := &admission{hub: "the hub", advice: "try again in a moment", limit: int64(limit), tell: both(o.Listener.Refusal, nil)}
	if o.Hub != "" {
		a.hub = "task hub " + o.Hub
	}
	if idle {
		a.advice = "start the app, which works it off"
	}
	return a
}

// commandShare is how much of commands, such as suspend and resume, may wait in
// the inbox of one instance, as they do for code that does not come back;
// crowdedShare while more work is at hand than there may be.
const (
	commandShare = 1 << 20
	crowdedShare = 16 << 10
)

// admit lets an operation in that brings so many bytes. What it takes is in use
// until release, when what it brought is counted or came to nothing. Errors:
// [hub.ErrResourceExhausted], with that of ctx if it ended.
func (a *admission) admit(ctx context.Context, brought int) error {
	bytes := messageBytes + int64(brought)
	if !a.crowded.Load() {
		if a.used.Add(bytes)-bytes < a.limit {
			return nil
		}
		a.add(-bytes)
	}
	me := a.enter(bytes)
	if me == nil {
		return a.refusal()
	}
	patient, cancel := context.WithTimeoutCause(ctx, patience, errAdmissionWait)
	defer cancel()
	err := wait(patient, me.admitted)
	switch {
	case err == nil || !a.leave(me): // it was admitted meanwhile
		return nil
	case err == errAdmissionWait:
		return a.refusal()
	}
	return fmt.Errorf("%w: %w", a.refusal(), err)
}

var errAdmissionWait = errors.New("admission wait timed out")

// release ends what admit began.
func (a *admission) release(brought int) { a.add(-messageBytes - int64(brought)) }

// room waits, as admit does, until an operation would be let in that brings
// next to nothing.
func (a *admission) room(ctx context.Context) error {
	if !a.crowded.Load() && a.used.Load() < a.limit {
		return nil
	}
	if err := a.admit(ctx, 0); err != nil {
		return err
	}
	a.release(0)
	return nil
}

// enter queues an operation; nil if there is no room to wait.
func (a *admission) enter(bytes int64) *admissionWaiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == maxAdmissionWaiters || len(a.waiting) > 0 && a.bytes+bytes > a.limit {
		return nil
	}
	me := &admissionWaiter{bytes: bytes, admitted: make(chan struct{})}
	a.waiting = append(a.waiting, me)
	a.bytes += bytes
	a.crowded.Store(true) // before next looks: what is given back from now on calls next
	a.next()
	return me
}

// leave takes me out of those who wait; false if it is admitted.
func (a *admission) leave(me *admissionWaiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := slices.Index(a.waiting, me)
	if at < 0 {
		return false
	}
	a.waiting = slices.Delete(a.waiting, at, at+1)
	a.bytes -= me.bytes
	a.crowded.Store(len(a.waiting) > 0)
	return true
}

// next admits whoever there is room for. mu is held.
func (a *admission) next() {
	n := 0
	for n < len(a.waiting) && a.used.Load() < a.limit {
		me := a.waiting[n]
		a.used.Add(me.bytes)
		a.bytes -= me.bytes
		close(me.admitted)
		n++
	}
	a.waiting = slices.Delete(a.waiting, 0, n)
	a.crowded.Store(len(a.waiting) > 0)
}

// add counts bytes that came to hand, or left if negative.
func (a *admission) add(bytes int64) {
	if used := a.used.Add(bytes); bytes < 0 && used < a.limit && a.crowded.Load() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.next()
	}
}

// refusal is the error of an operation for which there was no room for as long
// as it waits. Nothing of it was stored, so its caller may repeat it.
func (a *admission) refusal() error {
	a.tell(RefusalInfo{Bytes: a.used.Load(), Limit: a.limit})
	return fmt.Errorf("%w: %s has %d bytes of work at hand, the limit is %d (maxBacklogBytes); nothing was stored, %s",
		hub.ErrResourceExhausted, a.hub, a.used.Load(), a.limit, a.advice)
}

// refuseInbox tells why an event for inst is not taken; nil if it is. mu of its
// partition is held.
func (a *admission) refuseInbox(inst *instance) error {
	if share := max(a.limit/inboxShare, 1); inst.tally.bytes >= share {
		a.tell(RefusalInfo{inst.id, inst.tally.bytes, share})
		return fmt.Errorf("%w: %q of %s has %d bytes of messages that it has not taken in, the limit is %d (a quarter of maxBacklogBytes); nothing was stored, try again once it goes on",
			hub.ErrResourceExhausted, inst.id, a.hub, inst.tally.bytes, share)
	}
	return nil
}

// refuseCommand tells why a command for inst is not taken, nil if it is: work
// must be able to end, but not by messages without end. An instance can always
// be told to end once. mu of its partition is held.
func (a *admission) refuseCommand(inst *instance, kind history.Kind) error {
	if kind == history.ExecutionTerminated && !inst.terminating() {
		return nil
	}
	most := int64(commandShare)
	if a.used.Load() >= a.limit {
		most = crowdedShare
	}
	if inst.tally.commands < most {
		return nil
	}
	a.tell(RefusalInfo{inst.id, inst.tally.commands, most})
	return fmt.Errorf("%w: %q of %s has %d bytes of commands that it has not taken in, the limit is %d; nothing was stored, try again once it goes on",
		hub.ErrResourceExhausted, inst.id, a.hub, inst.tally.commands, most)
}

// tally sums up an inbox, so that nobody walks through it at every message.
type tally struct {
	bytes        int64
	starts       int
	terminations int
	commands     int64 // bytes of those of operators
	keys         int   // bytes of idempotency keys
}

// add counts a message that has come. What is taken out again is not
// subtracted: recount sums up anew after each decision.
func (t *tally) add(m *decide.Message) {
	bytes := messageBytes + int64(m.Event.Bytes())
	t.bytes += bytes
	t.keys += len(m.Event.Key)
	switch m.Event.Kind {
	case history.ExecutionStarted:
		t.starts++
	case history.ExecutionTerminated:
		t.terminations++
		t.commands += bytes
	case history.ExecutionSuspended, history.ExecutionResumed:
		t.commands += bytes
	}
}

// startRequestBytes is all that a start brings.
func startRequestBytes(r *hub.StartRequest) int {
	return len(r.Input) + len(r.Name) + len(r.ID) + len(r.Version) + history.TagsBytes(r.Tags)
}

// receive puts a message into the inbox. mu of the partition is held.
func (i *instance) receive(m decide.Message) {
	i.inbox = append(i.inbox, m)
	i.tally.add(&m)
}

// recount sums the inbox up anew after a decision, which may have taken
// anything out of it. mu of the partition is held.
func (i *instance) recount() {
	i.tally = tally{}
	for k := range i.inbox {
		i.tally.add(&i.inbox[k])
	}
}

// startBytes is what the start record that waits, if one does, holds of what
// callers brought.
func startBytes(st *history.State) (bytes int64) {
	if st == nil {
		return 0
	}
	for i := range st.Waiting {
		bytes += int64(st.Waiting[i].Bytes())
	}
	return bytes
}

// weigh counts what inst costs now. Whatever changes that ends with it. mu is
// held.
func (p *partition) weigh(inst *instance) {
	bytes := inst.tally.bytes
	if inst.queued || inst.running || inst.inFlight {
		bytes += workBytes + inst.startBytes
	}
	if len(inst.tasks) > 0 {
		bytes += inst.taskBytes
	}
	if bytes != inst.weight {
		p.tenure.admission.add(bytes - inst.weight)
		inst.weight = bytes
	}
}
