package client_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// What older builds let in, or what is damaged, spoils no answer about others: it is
// shown without what cannot be shown, and says so.
func TestBadStoredValuesBreakNothingElse(t *testing.T) {
	for _, transport := range []string{"local", "http"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHub(t, transport, true)
			h.stop()
			deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
			inputs := map[history.InstanceID]string{"good": `"fine"`, "deep": deep, "bytes": "\"\xff\"", "broken": ""}
			micros := time.Now().UnixMicro()
			owner, _ := storetest.Own(t, h.store)
			for id, input := range inputs {
				micros++
				number := history.NewNumber(micros, history.PartitionOf(id, 4))
				record := history.AppendTurn(nil, &history.Turn{Seq: 1, Events: []history.Event{{
					Kind: history.ExecutionStarted, ID: history.NoID, At: number.CreatedAt(), Name: "Echo", Payload: json.RawMessage(input),
					Started: &history.Started{ExecutionID: "e"},
				}}})
				if id == "broken" {
					record = append(record, 0xff)
				}
				delta := &store.Delta{
					Partition: number.Partition(), Number: number, ID: id, OldStatus: history.Unknown, Record: &store.Record{Seq: 1, Bytes: record},
					Row: &history.Instance{Number: number, ID: id, Name: "Echo", ExecutionID: "e", Status: history.Pending, CreatedAt: number.CreatedAt(), UpdatedAt: number.CreatedAt()},
				}
				if err := owner.Commit(t.Context(), 0, []*store.Delta{delta}); err != nil {
					t.Fatal(err)
				}
			}
			h.start()
			defer func() { h.stop() }()
			page, err := h.List(t.Context(), client.Query{})
			if err != nil || len(page.Items) != len(inputs) {
				t.Fatalf("%s: list: %d items, %v; want %d", transport, len(page.Items), err, len(inputs))
			}
			for _, st := range page.Items {
				if good := st.ID == "good"; good != (st.Problem == "") || good != (string(st.Input) == `"fine"`) {
					t.Errorf("%s: %s in the list: input %.20s, problem %q", transport, st.ID, st.Input, st.Problem)
				}
			}
			for id := range inputs {
				st, err := h.Status(t.Context(), id, client.StatusOptions{})
				if err != nil || (id == "good") != (st.Problem == "") {
					t.Errorf("%s: status of %s: %+v, %v", transport, id, st, err)
				}
				if _, err := h.Explain(t.Context(), id); err != nil && id != "broken" {
					t.Errorf("%s: explain %s: %v", transport, id, err)
				}
				_, err = h.Export(t.Context(), id)
				switch {
				case id == "good" && err != nil:
					t.Errorf("%s: export %s: %v", transport, id, err)
				case (id == "deep" || id == "bytes") && !errors.Is(err, client.ErrInvalidState), id == "broken" && err == nil:
					t.Errorf("%s: export %s: %v, want an error that names the event", transport, id, err)
				}
			}
			if counts, err := h.Count(t.Context(), client.Query{}); err != nil || counts.Total() != int64(len(inputs)) {
				t.Errorf("%s: counts %v, %v", transport, counts, err)
			}
		})
	}
}
