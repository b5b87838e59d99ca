package history

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// The files in testdata/v3 are what version 3 of the codec writes. From the
// first release on they never change: what one build wrote, all later ones read.
// Beside each lies what it says by the schema, for people. A later version gets a
// folder of its own, and this one is then only read, as those before it are.
func TestGolden(t *testing.T) {
	started := samples()[0]
	child := samples()[1]
	turns := map[string]Turn{
		"turn-start": {Seq: 1, Events: []Event{started}},
		"turn-hello": helloTurn(),
		"turn-all":   {Seq: 2, At: noon, Events: samples(), Canceled: []int32{0, 300}},
	}
	for name, want := range turns {
		b := golden(t, name, "Turn", AppendTurn(nil, &want))
		got, err := DecodeTurn(want.Seq, b)
		checkDecoded(t, name, b, want, got, err)
	}
	instances := map[string]Instance{
		"instance-pending": {Number: NewNumber(noon.UnixMicro(), 17), ID: "abc", ExecutionID: someExecution, Name: "Hello", Status: Pending, CreatedAt: noon, UpdatedAt: noon},
		"instance-all": {
			Number: NewNumber(noon.UnixMicro(), 1023), ID: "abc", ExecutionID: "text", Name: "Hello", Version: "1", Status: Suspended,
			CreatedAt: noon, UpdatedAt: noon.Add(time.Second), CompletedAt: noon.Add(time.Minute), ScheduledAt: noon.Add(time.Hour),
			CustomStatus: json.RawMessage(`{"step":2}`), Reason: json.RawMessage(`"hold"`),
			Parent: child.Started.Parent, Tags: child.Started.Tags, Generation: 2, Events: 70, Labels: []string{"a", "parent:7"},
		},
	}
	for name, want := range instances {
		b := golden(t, name, "Instance", AppendInstance(nil, &want))
		got, err := DecodeInstance(b)
		checkDecoded(t, name, b, want, got, err)
	}
	want := Message{To: "abc", ExecutionID: someExecution, Event: Event{Kind: EventRaised, ID: NoID, At: noon, Name: "Approval", Payload: json.RawMessage(`true`), Key: "k-1"}}
	b := golden(t, "message", "Message", AppendMessage(nil, &want))
	got, err := DecodeMessage(b)
	checkDecoded(t, "message", b, want, got, err)
}

// golden compares what the codec writes with the file of that name and returns
// what the file holds.
func golden(t *testing.T, name string, message protoreflect.Name, encoded []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", fmt.Sprint("v", CodecVersion), name)
	text := []byte(describe(parse(t, message, encoded)))
	if *rewrite {
		for suffix, content := range map[string][]byte{".bin": encoded, ".txt": text} {
			if err := os.WriteFile(path+suffix, content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := os.ReadFile(path + ".bin")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded, b) {
		t.Errorf("%s: encoded as\n%x\nwant\n%x", name, encoded, b)
	}
	wantText, err := os.ReadFile(path + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, wantText) {
		t.Errorf("%s: reads by the schema\n%s\nwant\n%s", name, text, wantText)
	}
	return b
}

// What earlier versions of the codec wrote reads as the schema says.
func TestEarlierVersionsAreRead(t *testing.T) {
	for version := 1; version < CodecVersion; version++ {
		files, err := filepath.Glob(filepath.Join("testdata", fmt.Sprint("v", version), "*.bin"))
		if err != nil || len(files) == 0 {
			t.Fatalf("version %d has no files (%v)", version, err)
		}
		for _, path := range files {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var m oracle
			switch name := filepath.Base(path); {
			case strings.HasPrefix(name, "turn"):
				m = oracle{parse(t, "Turn", b)}
				got, err := DecodeTurn(1, b)
				want := m.turn()
				want.Seq = 1
				checkDecoded(t, path, b, want, got, err)
			case strings.HasPrefix(name, "instance"):
				m = oracle{parse(t, "Instance", b)}
				got, err := DecodeInstance(b)
				checkDecoded(t, path, b, m.instance(), got, err)
			default:
				m = oracle{parse(t, "Message", b)}
				got, err := DecodeMessage(b)
				checkDecoded(t, path, b, m.envelope(), got, err)
			}
			if v := m.uint("version"); v != uint64(version) {
				t.Errorf("%s has version %d", path, v)
			}
			text, err := os.ReadFile(strings.TrimSuffix(path, ".bin") + ".txt")
			if got := describe(m); err != nil || got != string(text) {
				t.Errorf("%s reads by the schema\n%s\nwant\n%s (%v)", path, got, text, err)
			}
		}
	}
}
