package config

import "bytes"

// standardize turns the lenient JSON that Functions tools accept into JSON: it
// drops a byte-order mark and overwrites comments and trailing commas with
// blanks, so that every other byte keeps its line and column
// (docs/contracts/config.md 2.1). Text that is not JSON in this dialect either
// comes out as it went in, more or less, for the JSON parser to complain about.
func standardize(text []byte) []byte {
	out := bytes.Clone(bytes.TrimPrefix(text, []byte("\uFEFF")))
	comma := -1 // place of a comma that nothing but blanks and comments followed yet
	for i := 0; i < len(out); {
		switch c := out[i]; {
		case c == '"':
			comma = -1
			i = stringEnd(out, i)
		case c == '/' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '*'):
			end := commentEnd(out, i)
			blank(out[i:end])
			i = end
		case c == ',':
			comma = i
			i++
		case c == '}' || c == ']':
			if comma >= 0 {
				out[comma] = ' '
			}
			comma = -1
			i++
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		default:
			comma = -1
			i++
		}
	}
	return out
}

// stringEnd returns the index after the string that begins at start, the end of
// text when it is not closed.
func stringEnd(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// commentEnd returns the index after the comment that begins at start. An open
// block comment is cut after its first byte, which leaves a syntax error.
func commentEnd(text []byte, start int) int {
	if text[start+1] == '/' {
		if n := bytes.IndexByte(text[start:], '\n'); n >= 0 {
			return start + n
		}
		return len(text)
	}
	if n := bytes.Index(text[start+2:], []byte("*/")); n >= 0 {
		return start + 2 + n + 2
	}
	return start + 1
}

func blank(text []byte) {
	for i, c := range text {
		if c != '\n' && c != '\r' {
			text[i] = ' '
		}
	}
}
