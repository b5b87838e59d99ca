package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// endless is a body that does not end.
type endless struct {
	text, more string
	read       int
	largest    *int // of all that were read
}

func (e *endless) Read(p []byte) (int, error) {
	if e.text == "" {
		e.text = e.more
	}
	n := copy(p, e.text)
	e.text = e.text[n:]
	e.read += n
	*e.largest = max(*e.largest, e.read)
	return n, nil
}

func (e *endless) Close() error { return nil }

// A host that never stops is refused, with the address and the bound, whatever it
// was asked and whatever it answers.
func TestAnswersAreBounded(t *testing.T) {
	const most, few = 1 << 18, 1 << 20
	for _, tt := range []struct {
		code       int
		text, more string
	}{
		{200, "", " "}, {200, "[", " "}, {200, "[", `{"instanceId":"x"},`}, {200, "{", `"a":1,`}, {200, `{"instanceId":"`, "x"},
		{201, `{"id":"`, "x"}, {202, "{", " "}, {204, "", "x"}, {400, `{"Message":"`, "x"}, {404, "", "x"}, {502, "<html>", "x"},
	} {
		synctest.Test(t, func(t *testing.T) {
			largest := 0
			web := network(func(*http.Request) (*http.Response, error) {
				res, err := response(tt.code, "", "Content-Type", "application/json", "x-ms-continuation-token", "")
				res.Body = &endless{text: tt.text, more: strings.Repeat(tt.more, 1<<10), largest: &largest}
				return res, err
			})
			h := &testHub{T: t, Client: client.Remote("http://host", client.RemoteOptions{MaxAnswerBytes: most, HTTPClient: &http.Client{Transport: web}})}
			for op, err := range h.all() {
				if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "http://host/") {
					t.Errorf("%s at a host that answers %d %s%s…: error = %.300v, want ErrUnavailable", op, tt.code, tt.text, tt.more, err)
				}
				read := op == "List" || op == "read Status" || op == "read Export"
				if tt.code == 200 && tt.more == " " && read && !strings.Contains(err.Error(), fmt.Sprintf("more than %d bytes", most)) {
					t.Errorf("%s at a host that answers %q without end: error = %v, want the bound", op, tt.text, err)
				}
			}
			if largest > few+1 {
				t.Errorf("%d bytes are taken of an answer, want %d at most", largest, few)
			}
		})
	}
}

// An answer that says itself how long it is, is not read at all.
func TestAnswersThatAreSaidToBeTooLong(t *testing.T) {
	h := at(t, func(*http.Request) (*http.Response, error) {
		res, err := response(200, "", "Content-Type", "application/json", "x-ms-continuation-token", "")
		res.ContentLength = 1<<30 + 1
		return res, err
	})
	for _, err := range []error{ignore(h.List(t.Context(), client.Query{})), ignore(h.Export(t.Context(), "x"))} {
		if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "more than 1073741824 bytes") {
			t.Errorf("error = %v, want the bound", err)
		}
	}
}

// No answer that was cut off passes for a whole, wherever it was cut and whether or
// not the connection tells.
func TestNoCutAnswerPassesForAWhole(t *testing.T) {
	archive, err := json.Marshal(&client.Archive{
		Instance: history.Instance{ID: "x", Name: "F", Status: history.Running, CreatedAt: time.Unix(1, 0)},
		Turns:    []history.Turn{{Seq: 1}, {Seq: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for op, tt := range map[string]struct {
		whole string
		ask   func(h *testHub) error
	}{
		"List":     {"[" + foreignStatus + "," + foreignStatus + "]", func(h *testHub) error { return ignore(h.List(h.Context(), client.Query{})) }},
		"an empty": {"[]", func(h *testHub) error { return ignore(h.List(h.Context(), client.Query{})) }},
		"Status":   {foreignStatus, func(h *testHub) error { return ignore(h.Status(h.Context(), "x", client.StatusOptions{})) }},
		"Export":   {string(archive), func(h *testHub) error { return ignore(h.Export(h.Context(), "x")) }},
	} {
		for _, end := range []error{io.EOF, io.ErrUnexpectedEOF} {
			for n := range len(tt.whole) + 1 {
				h := at(t, func(*http.Request) (*http.Response, error) {
					res, err := response(200, "", "Content-Type", "application/json", "x-ms-continuation-token", "")
					res.Body = io.NopCloser(io.MultiReader(strings.NewReader(tt.whole[:n]), &ending{end}))
					return res, err
				})
				whole := n == len(tt.whole) && end == io.EOF
				if err := tt.ask(h); (err == nil) != whole || err != nil && !errors.Is(err, client.ErrUnavailable) {
					t.Errorf("%s of %d of %d bytes that end with %v: error = %v", op, n, len(tt.whole), end, err)
				}
			}
		}
	}
	for _, more := range []string{"]", "[]", "x", ","} {
		h := at(t, func(*http.Request) (*http.Response, error) {
			return response(200, "[]"+more, "Content-Type", "application/json", "x-ms-continuation-token", "")
		})
		if _, err := h.List(t.Context(), client.Query{}); !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("List of []%s: error = %v, want ErrUnavailable", more, err)
		}
	}
}

// ending ends a body.
type ending struct{ err error }

func (e *ending) Read([]byte) (int, error) { return 0, e.err }

// unspeakable is a hub whose archive cannot be written to its end.
type unspeakable struct{ servedHub }

func (unspeakable) Export(_ context.Context, id history.InstanceID) (hub.Archive, error) {
	a := hub.Archive{Instance: history.Instance{ID: id, Name: "F", Status: history.Running}}
	for i := range 3 {
		at := time.Date(2026+i*5000, 1, 1, 0, 0, 0, 0, time.UTC)
		a.Turns = append(a.Turns, history.Turn{Seq: uint32(i + 1), Events: []history.Event{
			{Kind: history.EventRaised, ID: history.NoID, At: at, Payload: json.RawMessage(`"` + strings.Repeat("x", 1<<16) + `"`)},
		}})
	}
	return a, nil
}

func TestAHostThatBreaksOffIsNotBelieved(t *testing.T) {
	server := httptest.NewServer(httpapi.New(httpapi.Options{Hub: unspeakable{}, TaskHub: "TestHub"}))
	defer server.Close()
	a, err := client.Remote(server.URL, client.RemoteOptions{}).Export(t.Context(), "x")
	if !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("Export of an answer that breaks off = %v, %v; want ErrUnavailable", a, err)
	}
}

// A page is read item by item: what it takes beside its items is about one of them.
func TestPagesAreReadItemByItem(t *testing.T) {
	const n, large = 32, 1 << 20
	page := "[" + strings.Repeat(strings.Replace(foreignStatus, `"input":null`, `"input":"`+strings.Repeat("x", large)+`"`, 1)+",", n-1) + foreignStatus + "]"
	if len(page) < (n-1)*large {
		t.Fatalf("a page of %d bytes", len(page))
	}
	h := at(t, func(*http.Request) (*http.Response, error) {
		return response(200, page, "Content-Type", "application/json", "x-ms-continuation-token", "")
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := h.List(t.Context(), client.Query{})
	runtime.ReadMemStats(&after)
	if err != nil || len(got.Items) != n {
		t.Fatalf("List = %d items, %v", len(got.Items), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 3*n*large/2 {
		t.Errorf("a page of %d bytes takes %d to read", len(page), took)
	}
}

// Hosts of another make send outputs though they are not asked for: they are not
// kept, but tell why instances failed.
func TestOutputsOfOtherMakesAreNotKept(t *testing.T) {
	row := strings.NewReplacer("Completed", "Failed", `"output":1`, `"output":"it broke\nat x"`).Replace(foreignStatus)
	h := at(t, func(*http.Request) (*http.Response, error) {
		return response(200, "["+row+"]", "Content-Type", "application/json", "x-ms-continuation-token", "")
	})
	page, err := h.List(t.Context(), client.Query{OmitInput: true, OmitOutput: true})
	if err != nil || len(page.Items) != 1 || page.Items[0].Output != nil || page.Items[0].FailureText != "it broke" {
		t.Errorf("List of %s = %+v, %v; want the failure and no output", row, page.Items, err)
	}
}

// weighty is a hub of instances of so many bytes.
type weighty struct {
	hub.Hub
	bytes int

	mu        sync.Mutex // guards what follows
	now, most int        // calls at once
}

func (w *weighty) call(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += n
	w.most = max(w.most, w.now)
}

func (w *weighty) Status(_ context.Context, id history.InstanceID, _ hub.StatusOptions) (hub.Status, error) {
	w.call(1)
	defer w.call(-1)
	time.Sleep(time.Second) // of virtual time
	return hub.Status{Instance: history.Instance{ID: id}, Output: make(json.RawMessage, w.bytes)}, nil
}

// Statuses reads as many at once as fit into a page.
func TestStatusesAreBoundedByBytes(t *testing.T) {
	for bytes, want := range map[int]int{1 << 10: 16, 1 << 20: 4, 3 << 20: 1, 8 << 20: 1} {
		synctest.Test(t, func(t *testing.T) {
			hub := &weighty{bytes: bytes}
			var ids []client.InstanceID
			for i := range 40 {
				ids = append(ids, client.InstanceID(fmt.Sprint(i)))
			}
			if bytes > 1<<20 {
				ids = ids[:4]
			}
			found, err := client.Local(hub).Statuses(t.Context(), ids, client.StatusOptions{})
			if err != nil || len(found) != len(ids) {
				t.Errorf("Statuses = %d of %d, %v", len(found), len(ids), err)
			}
			if most := hub.most; most != want {
				t.Errorf("Statuses reads %d statuses of %d bytes at once, want %d", most, bytes, want)
			}
		})
	}
}
