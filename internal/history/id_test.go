package history

import (
	"hash/fnv"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestNewIDs(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	a, b := NewInstanceID(), NewInstanceID()
	if !form.MatchString(string(a)) || a == b {
		t.Errorf("NewInstanceID() = %s, then %s, want 32 hex digits each, not the same", a, b)
	}
	if e := NewExecutionID(); !form.MatchString(string(e)) {
		t.Errorf("NewExecutionID() = %s, want 32 hex digits", e)
	}
}

func TestInstanceIDValidate(t *testing.T) {
	for _, id := range []InstanceID{
		"a", "order:42", "with space", "é", "日本", "a@b", "<script>", InstanceID(strings.Repeat("x", 256)), InstanceID(strings.Repeat("😀", 128)), NewInstanceID(),
	} {
		if err := id.Validate(); err != nil {
			t.Errorf("InstanceID(%q).Validate() = %v, want nil", id, err)
		}
	}
	for _, tt := range []struct {
		id   InstanceID
		want string
	}{
		{"", "instance id is empty"},
		{"\xff", `instance id "\xff" is not valid UTF-8`},
		{"@counter@1", `instance id "@counter@1" starts with '@', which is kept for entities`},
		{"a/b", `instance id "a/b" holds '/'`},
		{`a\b`, `instance id "a\\b" holds '\\'`},
		{"a#", `instance id "a#" holds '#'`},
		{"?a", `instance id "?a" holds '?'`},
		{"a\n", `instance id "a\n" holds '\n'`},
		{"a\u0085", `instance id "a\u0085" holds '\u0085'`},
		{"a\u202eb", `holds '\u202e'`}, {"a\u200b", `holds '\u200b'`}, {"\u2028", `holds '\u2028'`}, {"\u2066a", `holds '\u2066'`},
		{"\ufe0f", `holds '\ufe0f'`}, {"\u3164", `holds '\u3164'`}, {"\u2800", `holds '\u2800'`}, {"\U000e0041", `holds '\U000e0041'`},
		{InstanceID(strings.Repeat("x", 257)), "has 257 characters, at most 256 are allowed"},
		{InstanceID(strings.Repeat("😀", 129)), "has 258 characters, at most 256 are allowed"},
	} {
		if err := tt.id.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("InstanceID(%q).Validate() = %v, want %s", tt.id, err, tt.want)
		}
	}
}

// A default child id is unique for its call, and never too long.
func TestChildID(t *testing.T) {
	const execution ExecutionID = "00112233445566778899aabbccddeeff"
	long, wide := InstanceID(strings.Repeat("x", 234)), InstanceID(strings.Repeat("😀", 117))
	for _, tt := range []struct {
		parent    InstanceID
		execution ExecutionID
		task      int32
		want      InstanceID
	}{
		{"p", execution, 0, "p:0011223344556677:0000"},
		{"p", execution, 0x1a, "p:0011223344556677:001a"},
		{"p", execution, 0x12345, "p:0011223344556677:12345"},
		{"p", "text", 1, "p:982d9e3eb996f559:0001"},           // SHA-256 of text
		{long, execution, 1, long + ":0011223344556677:0001"}, // 256 units
		{long, execution, 0x10000, "5e49947899449e853405aa8c52d35998:0011223344556677:10000"},
		{wide, execution, 1, wide + ":0011223344556677:0001"},
		{wide + "x", execution, 1, "f8834216f8b402bae13c6863075eab4d:0011223344556677:0001"},
	} {
		got := ChildID(tt.parent, tt.execution, tt.task)
		if got != tt.want {
			t.Errorf("ChildID(%.20s..., %s, %d) = %s, want %s", tt.parent, tt.execution, tt.task, got, tt.want)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("ChildID(%.20s..., %s, %d).Validate() = %v", tt.parent, tt.execution, tt.task, err)
		}
	}
	if a, b := ChildID(long+"aaa", execution, 1), ChildID(long+"aab", execution, 1); a == b {
		t.Errorf("children of two parents with long ids are both %s", a)
	}
}

// However deep a tree of default ids is, they stay valid.
func TestChildIDOfDeepTrees(t *testing.T) {
	id, seen := InstanceID("root"), make(map[InstanceID]bool)
	for level := range 300 {
		id = ChildID(id, NewExecutionID(), 0)
		if err := id.Validate(); err != nil || seen[id] {
			t.Fatalf("level %d: %s: %v, seen before: %t", level, id, err, seen[id])
		}
		seen[id] = true
	}
}

func TestNumber(t *testing.T) {
	created := time.Date(2026, 3, 4, 12, 0, 0, 123_456_000, time.UTC)
	for _, partition := range []int{0, 1, MaxPartitions - 1} {
		n := NewNumber(created.UnixMicro(), partition)
		if n.Partition() != partition || n.Micros() != created.UnixMicro() || !n.CreatedAt().Equal(created) {
			t.Errorf("NewNumber(%d, %d) has partition %d, micros %d, created at %s", created.UnixMicro(), partition, n.Partition(), n.Micros(), n.CreatedAt())
		}
	}
	if early, late := NewNumber(1, MaxPartitions-1), NewNumber(2, 0); early >= late {
		t.Errorf("NewNumber(1, last) = %d, NewNumber(2, 0) = %d, want them in order of time", early, late)
	}
}

func TestPartitionOf(t *testing.T) {
	for _, id := range []InstanceID{"", "a", "abc", "日本", NewInstanceID()} {
		oracle := fnv.New32a()
		oracle.Write([]byte(id))
		for _, count := range []int{1, 4, 64, MaxPartitions} {
			if got, want := PartitionOf(id, count), int(oracle.Sum32()%uint32(count)); got != want {
				t.Errorf("PartitionOf(%q, %d) = %d, want %d", id, count, got, want)
			}
		}
	}
	// Stored hubs depend on it.
	if got := PartitionOf("abc", 64); got != 11 {
		t.Errorf("PartitionOf(abc, 64) = %d, want 11, for ever", got)
	}
}

func TestTruncate(t *testing.T) {
	in := time.Date(2026, 3, 4, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))
	if got, want := Truncate(in), time.Date(2026, 3, 4, 11, 0, 0, 123_456_700, time.UTC); got != want {
		t.Errorf("Truncate(%s) = %s, want %s", in, got, want)
	}
}
