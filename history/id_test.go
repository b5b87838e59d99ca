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
		{InstanceID(strings.Repeat("x", 257)), "has 257 characters, at most 256 are allowed"},
		{InstanceID(strings.Repeat("😀", 129)), "has 258 characters, at most 256 are allowed"},
	} {
		if err := tt.id.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("InstanceID(%q).Validate() = %v, want %s", tt.id, err, tt.want)
		}
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
