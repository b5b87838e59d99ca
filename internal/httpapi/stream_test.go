package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// storied is a hub with one instance, of a long history.
type storied struct {
	anything
	turns []history.Turn
}

func (s storied) Status(_ context.Context, id history.InstanceID, o hub.StatusOptions) (hub.Status, error) {
	st := hub.Status{Instance: history.Instance{ID: id, Name: "F", Status: history.Running}}
	if o.History {
		for i := range s.turns {
			st.History = append(st.History, s.turns[i].Events...)
		}
	}
	return st, nil
}

func (s storied) Export(_ context.Context, id history.InstanceID) (hub.Archive, error) {
	return hub.Archive{Instance: history.Instance{ID: id, Name: "F", Status: history.Running}, Turns: s.turns}, nil
}

// story is a history of n events with payloads of so many bytes.
func story(n, bytes int) []history.Turn {
	turns := make([]history.Turn, n)
	for i := range turns {
		turns[i] = history.Turn{Seq: uint32(i + 1), Events: []history.Event{
			{Kind: history.EventRaised, ID: history.NoID, Name: "go", At: time.Unix(int64(i), 0), Payload: json.RawMessage(`"` + strings.Repeat("x", bytes) + `"`)},
		}}
	}
	return turns
}

// weighed is a [sink] that looks how much memory is in use whenever much is written.
type weighed struct {
	sink
	live uint64
}

func (w *weighed) Write(b []byte) (int, error) {
	if len(b) > 1<<16 {
		w.live = max(w.live, inUse())
	}
	return w.sink.Write(b)
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Histories and archives go out event by event and turn by turn. There is never a
// second copy of the whole.
func TestHistoriesAreStreamed(t *testing.T) {
	const n, large = 32, 1 << 20
	handler := httpapi.New(httpapi.Options{Hub: storied{turns: story(n, large)}, TaskHub: "TestHub"})
	for path, copies := range map[string]int{"/x?showHistory=true": 2, "/x/export": 1} {
		caller := &weighed{sink: sink{header: http.Header{}}}
		before := inUse()
		handler.ServeHTTP(caller, httptest.NewRequest(get, "http://127.0.0.1"+instances+path, nil))
		if caller.bytes < copies*n*large {
			t.Errorf("%s answers %d bytes, want %d copies of %d", path, caller.bytes, copies, n*large)
		}
		if caller.largest > large+1<<12 {
			t.Errorf("%s: the largest write has %d bytes, want one event of %d at most", path, caller.largest, large)
		}
		if held := int64(caller.live) - int64(before); held > 6*large {
			t.Errorf("%s: %d bytes are held beside the history while the answer goes out", path, held)
		}
	}
}

// broken is a history whose third turn has no JSON form.
func broken() storied {
	turns := story(4, 1<<16)
	turns[2].Events[0].At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	return storied{turns: turns}
}

// An answer that cannot be made to its end is cut off: neither the connection nor
// what was sent looks like a whole.
func TestAnAnswerThatBreaksOffIsCutOff(t *testing.T) {
	server := httptest.NewServer(httpapi.New(httpapi.Options{Hub: broken(), TaskHub: "TestHub"}))
	defer server.Close()
	res, err := http.Get(server.URL + instances + "/x/export")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err == nil || json.Valid(text) {
		t.Errorf("GET export reads %d bytes without an error", len(text))
	}

	// In HTTP/1.0 nothing but the JSON tells.
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s/x/export HTTP/1.0\r\nHost: %s\r\n\r\n", instances, server.Listener.Addr())
	if res, err = http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); len(text) < 1<<16 || json.Valid(text) {
		t.Errorf("GET export in HTTP/1.0 reads %d bytes, want some and no end", len(text))
	}
}

// untold is a hub whose instance has a tag that JSON cannot tell.
type untold struct{ anything }

func (untold) Export(_ context.Context, id history.InstanceID) (hub.Archive, error) {
	return hub.Archive{Instance: history.Instance{ID: id, Status: history.Running, Tags: map[string]string{"\xff": ""}}, Turns: story(1, 1)}, nil
}

// What is known to be wrong before an answer begins is an error like others.
func TestAnExportThatCannotBeginSaysWhy(t *testing.T) {
	s := &site{T: t, handler: httpapi.New(httpapi.Options{Hub: untold{}, TaskHub: "TestHub"})}
	s.wantError(500, get, instances+"/x/export", "")
}

// gone is a caller that goes away while the answer comes.
type gone struct{ sink }

func (g *gone) Write(b []byte) (int, error) {
	if g.bytes > 1<<16 {
		return 0, net.ErrClosed
	}
	return g.sink.Write(b)
}

func TestACallerThatIsGoneEndsTheAnswer(t *testing.T) {
	handler := httpapi.New(httpapi.Options{Hub: storied{turns: story(100, 1<<16)}, TaskHub: "TestHub"})
	caller := &gone{sink{header: http.Header{}}}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler || caller.bytes > 1<<18 {
			t.Errorf("the answer ends with %v after %d bytes, want http.ErrAbortHandler soon", p, caller.bytes)
		}
	}()
	handler.ServeHTTP(caller, httptest.NewRequest(get, "http://127.0.0.1"+instances+"/x/export", nil))
}

// What says why an instance failed is ours: only details have it, and no more of it
// than a list may hold.
func TestFailureTextIsADetail(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Fail/x", "")
		for _, path := range []string{instances, instances + "/x"} {
			if got := bodyOf(s.want(200, get, path, "")); strings.Contains(got, "failureText") {
				t.Errorf("%s answers %s, want no failureText", path, got)
			}
			got := bodyOf(s.want(200, get, path+"?showOutput=false&showDetails=true", ""))
			if !strings.Contains(got, `"failureText":"it broke"`) || strings.Contains(got, "failureDetails") || !strings.Contains(got, `"output":null`) {
				t.Errorf("%s without output answers %s, want failureText alone", path, got)
			}
		}
	})
}

// An import is bounded as every body is.
func TestImportIsBoundedByBytes(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Chain/x", "1")
		archive := bodyOf(s.want(200, get, instances+"/x/export", ""))
		s.handler = httpapi.New(httpapi.Options{Hub: s.engine, TaskHub: "TestHub", MaxBodyBytes: int64(len(archive)) - 1})
		s.wantError(413, post, base+"/import?instanceId=y", archive)
	})
}
