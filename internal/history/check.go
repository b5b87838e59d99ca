package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// This file says what may come into a history, once for every door: HTTP,
// clients, the command line, imports, and what code asks for. Whatever passes
// has a form on every wire, inside of whatever answer it becomes a part of.

const (
	// MaxDepth is how many arrays and objects of a payload may lie within each
	// other. It is below what the encoders and decoders of callers bear, Go's
	// 10,000 and some 900 of Python's: answers put payloads into more of them.
	MaxDepth = 500
	// MaxNameBytes bounds the names of functions, external events and tags, and
	// versions.
	MaxNameBytes = 300
	// MaxReasonBytes bounds reasons, as JSON. Those that a URL can hold have
	// less.
	MaxReasonBytes = 64 << 10
	// MaxTags and MaxTagsBytes bound the tags of an instance, which its row and
	// its indexes hold.
	MaxTags      = 100
	MaxTagsBytes = 16 << 10
)

// The first and the last time that every wire can tell. The last is in the
// microseconds of timer indexes, so that none rounds it up.
var (
	MinTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	MaxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
)

var (
	errNotJSON = errors.New("it is not valid JSON")
	errNotUTF8 = errors.New("it is not valid UTF-8")
	errTooDeep = fmt.Errorf("its arrays and objects lie more than %d levels deep", MaxDepth)
)

// CheckPayload reports why payload cannot be stored: it must be JSON in valid
// UTF-8, at most [MaxDepth] levels deep. Escapes of lone surrogates are valid.
// nil is null.
func CheckPayload(payload json.RawMessage) error {
	if payload == nil {
		return nil
	}
	if !json.Valid(payload) {
		return fmt.Errorf("%w: %.64q", errNotJSON, payload)
	}
	return CheckEncoded(payload)
}

// CheckEncoded is [CheckPayload] for what an encoder wrote, which is JSON for
// sure.
func CheckEncoded(payload json.RawMessage) error {
	switch {
	case !utf8.Valid(payload):
		return errNotUTF8
	case tooDeep(payload):
		return errTooDeep
	}
	return nil
}

// tooDeep looks at each byte only if there are enough brackets at all, which
// are counted much faster.
func tooDeep(payload json.RawMessage) bool {
	if len(payload) <= MaxDepth || bytes.Count(payload, []byte{'['})+bytes.Count(payload, []byte{'{'}) <= MaxDepth {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(payload); i++ {
		switch c := payload[i]; {
		case c == '\\': // only strings have it
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// CheckTime reports why t cannot be stored: it must lie from [MinTime] to
// [MaxTime].
func CheckTime(t time.Time) error {
	if t.Before(MinTime) || t.After(MaxTime) {
		return fmt.Errorf("it is in the year %d; years from 0 to 9999 in UTC can be told", t.UTC().Year())
	}
	return nil
}

// Tellable returns the time from [MinTime] to [MaxTime] that is nearest to t:
// what lies beyond stands for long ago or for never.
func Tellable(t time.Time) time.Time {
	switch {
	case t.Before(MinTime):
		return MinTime
	case t.After(MaxTime):
		return MaxTime
	}
	return t
}

// CheckName reports why name cannot be that of a function or an event: it must
// be valid UTF-8 of at most [MaxNameBytes], and not blank.
func CheckName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("it is empty")
	case len(name) > MaxNameBytes:
		return fmt.Errorf("%.32q... has %d bytes, at most %d are allowed", name, len(name), MaxNameBytes)
	}
	return CheckText(name)
}

// CheckVersion reports why version cannot be stored: it must be valid UTF-8 of
// at most [MaxNameBytes].
func CheckVersion(version string) error {
	if len(version) > MaxNameBytes {
		return fmt.Errorf("%.32q... has %d bytes, at most %d are allowed", version, len(version), MaxNameBytes)
	}
	return CheckText(version)
}

// CheckReason reports why reason cannot be stored: it must be a payload, see
// [CheckPayload], of at most [MaxReasonBytes].
func CheckReason(reason json.RawMessage) error {
	if len(reason) > MaxReasonBytes {
		return fmt.Errorf("it has %d bytes, at most %d are allowed", len(reason), MaxReasonBytes)
	}
	return CheckPayload(reason)
}

// CheckText reports why text cannot be stored: it must be valid UTF-8.
func CheckText(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%.64q is not valid UTF-8", text)
	}
	return nil
}

// CheckTags reports why tags cannot be stored: names and values must be valid
// UTF-8, and there may be so many and so much of them.
func CheckTags(tags map[string]string) error {
	if len(tags) > MaxTags {
		return fmt.Errorf("there are %d of them, at most %d are allowed", len(tags), MaxTags)
	}
	if bytes := TagsBytes(tags); bytes > MaxTagsBytes {
		return fmt.Errorf("they have %d bytes in all, at most %d are allowed", bytes, MaxTagsBytes)
	}
	for name, value := range tags {
		if len(name) > MaxNameBytes {
			return fmt.Errorf("name %.32q... has %d bytes, at most %d are allowed", name, len(name), MaxNameBytes)
		}
		if err := CheckText(name); err != nil {
			return fmt.Errorf("name %w", err)
		}
		if err := CheckText(value); err != nil {
			return fmt.Errorf("%.64q: value %w", name, err)
		}
	}
	return nil
}

// TagsBytes is how long names and values are together.
func TagsBytes(tags map[string]string) (bytes int) {
	for name, value := range tags {
		bytes += len(name) + len(value)
	}
	return bytes
}
