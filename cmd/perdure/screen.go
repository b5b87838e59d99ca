package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/perdure/perdure/internal/history"
)

// screen is a stream that may end at a terminal. What is written to it comes
// from others in part: failures, ids, answers of a host. A terminal must
// neither obey it nor show other than it says, so characters that nobody sees
// as they are, line ends and tabs aside, become \uXXXX. In JSON, where such
// characters are within strings only, that means the same.
type screen struct {
	w    io.Writer
	rest []byte // begins a character that is not whole
}

func screenOn(w io.Writer) *screen {
	if s, ok := w.(*screen); ok {
		return s
	}
	return &screen{w: w}
}

func (s *screen) Write(p []byte) (int, error) {
	text := append(s.rest, p...)
	end := len(text)
	for i := max(0, end-utf8.UTFMax); i < end; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			end = i
			break
		}
	}
	s.rest = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(s.w, visible(string(text[:end]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// visible returns text with what nobody sees, line ends and tabs aside, as
// \uXXXX.
func visible(text string) string {
	shown := func(r rune) bool { return r == '\n' || r == '\t' || history.Visible(r) }
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !shown(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text { // of bytes that are no character, U+FFFD
		switch first, second := utf16.EncodeRune(r); {
		case shown(r):
			b.WriteRune(r)
		case first != utf8.RuneError:
			fmt.Fprintf(&b, `\u%04x\u%04x`, first, second)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// draw writes text with codes for the terminal that are our own; what it holds
// of others is visible already.
func draw(w io.Writer, text string) error {
	if s, ok := w.(*screen); ok {
		w = s.w
	}
	_, err := io.WriteString(w, text)
	return err
}

// atTerminal reports whether a stream is a person's.
func (t *tool) atTerminal(stream any) bool {
	if s, ok := stream.(*screen); ok {
		stream = s.w
	}
	return t.terminal(stream)
}
