package history

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// InstanceID addresses one instance within a hub. It is case-sensitive.
type InstanceID string

// ExecutionID names one execution (generation) of an instance: 32 lowercase hex
// digits. It changes at continue-as-new and when the instance id is reused.
type ExecutionID string

// MaxInstanceIDLength is the longest instance id, in UTF-16 units
// (docs/contracts/http-api.md 3).
const MaxInstanceIDLength = 256

// NewInstanceID returns a random instance id of 32 lowercase hex digits.
func NewInstanceID() InstanceID { return InstanceID(randomHex()) }

// NewExecutionID returns a random execution id.
func NewExecutionID() ExecutionID { return ExecutionID(randomHex()) }

func randomHex() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}

// Validate reports why id cannot name an orchestration: it must be valid UTF-8
// of 1 to [MaxInstanceIDLength] UTF-16 units, must not start with '@' (entities
// do), must not be . or .. and must not hold / \ # ? or a character that nobody
// sees as it is ([Visible]): control characters, directions of writing, what
// hides.
func (id InstanceID) Validate() error {
	text := string(id)
	switch {
	case text == "":
		return fmt.Errorf("instance id is empty")
	case !utf8.ValidString(text):
		return fmt.Errorf("instance id %q is not valid UTF-8", text)
	case text == "." || text == "..":
		return fmt.Errorf("instance id %q cannot be a part of a link: clients take it for a step in the path", text)
	case text[0] == '@':
		return fmt.Errorf("instance id %q starts with '@', which is kept for entities", text)
	}
	if n := id.length(); n > MaxInstanceIDLength {
		return fmt.Errorf("instance id %.32q... has %d characters, at most %d are allowed", text, n, MaxInstanceIDLength)
	}
	if at := strings.IndexFunc(text, func(r rune) bool { return strings.ContainsRune(`/\#?`, r) || !Visible(r) }); at >= 0 {
		r, _ := utf8.DecodeRuneInString(text[at:])
		return fmt.Errorf("instance id %q holds %+q; '/', '\\', '#', '?', control characters and what nobody sees are not allowed", text, r)
	}
	return nil
}

// ChildID returns the id of the child that the call task of an execution
// starts, unless the call names one: <parent>:<16 hex digits of the execution
// id>:<sequence id as at least 4 hex digits>. If that is too long, the first 32
// hex digits of the SHA-256 of the parent's id stand for that. No two calls
// have the same: an execution id is never used again, and within one sequence
// ids are not.
func ChildID(parent InstanceID, execution ExecutionID, task int32) InstanceID {
	digits := string(execution)
	if packed := [16]byte{}; !packExecutionID(&packed, execution) { // of another engine, perhaps
		digits = hash(digits)
	}
	suffix := fmt.Sprintf(":%.16s:%04x", digits, task)
	if id := parent + InstanceID(suffix); id.length() <= MaxInstanceIDLength {
		return id
	}
	return InstanceID(hash(string(parent)) + suffix)
}

// IsChildID reports whether id is what [ChildID] returns for the call task of
// some execution of parent.
func IsChildID(id, parent InstanceID, task int32) bool {
	suffix := fmt.Sprintf(":%04x", task)
	rest, ok := strings.CutSuffix(string(id), suffix)
	if at := len(rest) - 16; ok && at > 0 {
		digits := rest[at:] + rest[at:]
		return packExecutionID(new([16]byte), ExecutionID(digits)) && id == ChildID(parent, ExecutionID(digits), task)
	}
	return false
}

// hash returns 32 hex digits that stand for text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// length is in UTF-16 units.
func (id InstanceID) length() (n int) {
	for _, r := range string(id) {
		n += utf16.RuneLen(r)
	}
	return n
}

// Number is an instance's place in the order of creation, unique in its hub:
// the creation time in microseconds since 1970 in the high 54 bits and the
// partition in the low 10. Keys that begin with it arrive in order, a range of
// creation times is a range of numbers, and newest-first is a reverse scan. 0
// is no number.
type Number uint64

// MaxPartitions is the most partitions a hub can have: what fits a [Number].
const MaxPartitions = 1 << numberPartitionBits

const numberPartitionBits = 10

// NewNumber returns the number of an instance created at the microsecond micros
// in partition.
func NewNumber(micros int64, partition int) Number {
	return Number(micros)<<numberPartitionBits | Number(partition)
}

// Micros returns the creation time in microseconds since 1970.
func (n Number) Micros() int64 { return int64(n >> numberPartitionBits) }

// CreatedAt returns the creation time.
func (n Number) CreatedAt() time.Time { return time.UnixMicro(n.Micros()).UTC() }

// Partition returns the partition the instance was created in.
func (n Number) Partition() int { return int(n & (MaxPartitions - 1)) }

// PartitionOf returns the partition of id among count: FNV-1a 32-bit over the
// id's UTF-8 bytes, modulo count (docs/contracts/runtime.md 7.1).
func PartitionOf(id InstanceID, count int) int {
	h := uint32(2166136261)
	for i := 0; i < len(id); i++ {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return int(h % uint32(count))
}

// Truncate cuts t to what a history can hold: UTC, 100 nanoseconds.
func Truncate(t time.Time) time.Time { return t.UTC().Truncate(100 * time.Nanosecond) }
