package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxLine is the longest line there can be.
const maxLine = 256 << 10

// hashMember stands between the body of a line and its hash, lineEnd behind
// that.
const (
	hashMember = `,"hash":"`
	lineEnd    = "\"}\n"
	hashLen    = 2 * sha256.Size
	sealLen    = len(hashMember) + hashLen + len(lineEnd)
)

// sum is the hash of the line with this body that follows the one with hash
// previous.
func sum(previous string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(previous))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// open takes a line, with its line feed, apart. It reports whether that is
// whole and of the form of a line; who knows the hash of the line before can
// tell with sum whether it is true.
func open(line []byte) (body []byte, hash string, ok bool) {
	at := len(line) - sealLen
	if at < 2 || line[0] != '{' || !bytes.HasPrefix(line[at:], []byte(hashMember)) || !bytes.HasSuffix(line, []byte(lineEnd)) {
		return nil, "", false
	}
	return line[:at], string(line[at+len(hashMember) : len(line)-len(lineEnd)]), true
}

// appendBody appends what stands before the hash: the number, the time and the
// members.
func appendBody(out []byte, n uint64, at time.Time, members []byte) []byte {
	out = strconv.AppendUint(append(out, `{"n":`...), n, 10)
	out = at.UTC().AppendFormat(append(out, `,"time":"`...), time.RFC3339Nano)
	return append(append(out, '"'), members...)
}

// encode writes attributes as the members of a JSON object, each behind a
// comma.
func encode(attrs []slog.Attr) ([]byte, error) {
	var out []byte
	for _, a := range attrs {
		name, err := json.Marshal(a.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(a.Value.Any())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Key, err)
		}
		out = append(append(append(append(out, ','), name...), ':'), value...)
	}
	out = plain(out)
	if len(out) > maxLine-1024 {
		return nil, fmt.Errorf("a line of %d bytes is too long: %d are allowed", len(out), maxLine-1024)
	}
	return out, nil
}

// plain escapes what a terminal obeys, or what hides other text, in the strings
// of a JSON text.
func plain(text []byte) []byte {
	if !bytes.ContainsFunc(text, hidden) {
		return text
	}
	var out []byte
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case !hidden(r):
			out = append(out, text[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

func hidden(r rune) bool {
	return r >= utf8.RuneSelf && unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) || r == 0x7f
}
