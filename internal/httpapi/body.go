package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// payload returns the body as JSON; nothing but blanks is null. It is called
// once all has been looked at that can be without the body.
func (r *request) payload() (json.RawMessage, error) {
	body, err := r.readBody()
	switch text := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\uFEFF"))); {
	case err != nil:
		return nil, err
	case len(text) == 0:
		return nil, nil
	case foreignEncoding(r.Header, text) != "":
		return nil, refuse(http.StatusUnsupportedMediaType, "the body is in %s; send JSON in UTF-8, not compressed", foreignEncoding(r.Header, text))
	case !utf8.Valid(text) || !json.Valid(text):
		return nil, invalid("the body is not valid JSON")
	default:
		return text, nil
	}
}

// jsonPayload is payload for a route that insists on application/json.
func (r *request) jsonPayload() (json.RawMessage, error) {
	text, err := r.payload()
	if err != nil || text == nil {
		return nil, err
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, invalid("Content-Type must be application/json")
	}
	return text, nil
}

// readBody reads the body into one buffer, of the length that the header tells
// if it does. The buffer has room in the gate before it is made, until r.drop.
func (r *request) readBody() ([]byte, error) {
	size := r.ContentLength
	if size == 0 || r.Body == nil {
		return nil, nil
	}
	if size > 0 {
		if err := r.reserve(size); err != nil {
			return nil, err
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, brokenOff(err)
		}
		return body, nil
	}
	most := r.handler.MaxBodyBytes + 1 // one more tells that it is too large
	body := make([]byte, 0, min(freeBytes, most))
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) == most:
			return nil, r.handler.tooLarge()
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, brokenOff(err)
		case len(body) == cap(body):
			size := min(2*int64(cap(body)), most)
			if err := r.reserve(size); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, size), body...)
		}
	}
}

// reserve takes room in the gate for a body of so many bytes in all.
func (r *request) reserve(bytes int64) error {
	more := beyondFree(bytes) - r.reserved
	if !r.handler.Gate.bodies.take(more) {
		return crowded("large bodies")
	}
	r.reserved += more
	return nil
}

// drop gives the room of the body back: the hub has it, and counts it.
func (r *request) drop() {
	r.handler.Gate.bodies.give(r.reserved)
	r.reserved = 0
}

// checkLength refuses a body that is said to be too large.
func (r *request) checkLength() error {
	if r.ContentLength > r.handler.MaxBodyBytes {
		return r.handler.tooLarge()
	}
	return nil
}

func (h *Handler) tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", h.MaxBodyBytes)
}

func brokenOff(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse(http.StatusRequestTimeout, "the body came too slowly: at least %d bytes must come in %v", stride, pause)
	}
	return invalid("the body could not be read: %v", err)
}

// saysMore reports whether the request has a body with something in it. Some
// clients send one that has not.
func (r *request) saysMore() bool {
	const most = 1 << 10 // bytes of nothing
	if r.ContentLength > most {
		return true
	}
	begin, _ := io.ReadAll(io.LimitReader(r.Body, most)) // of a body that breaks off what came counts
	text := string(bytes.TrimSpace(bytes.TrimPrefix(begin, []byte("\uFEFF"))))
	return len(begin) == most || !slices.Contains([]string{"", "null", "{}", `""`}, text)
}

// foreignEncoding names how a body is encoded if that is not UTF-8 as it is, by
// what the header says or by how it begins; "" if it is.
func foreignEncoding(header http.Header, body []byte) string {
	if name := strings.ToLower(strings.TrimSpace(header.Get("Content-Encoding"))); name != "" && name != "identity" {
		return name
	}
	switch {
	case bytes.HasPrefix(body, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(body, []byte{0xff, 0xfe}), bytes.HasPrefix(body, []byte{0xfe, 0xff}),
		len(body) > 1 && (body[0] == 0) != (body[1] == 0): // any JSON begins with ASCII
		return "UTF-16"
	}
	return ""
}
