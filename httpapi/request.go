package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/perdure/perdure/history"
)

// request is one request on its way through a route.
type request struct {
	*http.Request
	handler *Handler
	writer  http.ResponseWriter // for the body's limit only
	query   query
	pairs   []pair // what query was read from
	params  map[string]string
	caller  caller

	hub        Hub
	taskHub    string
	connection string

	read    bool // body and bodyErr are set
	body    []byte
	bodyErr error
}

func (r *request) id() history.InstanceID { return history.InstanceID(r.params["id"]) }

// payload returns the body as JSON; nothing but blanks is null.
func (r *request) payload() (json.RawMessage, error) {
	if !r.read {
		r.read = true
		r.body, r.bodyErr = io.ReadAll(http.MaxBytesReader(r.writer, r.Body, r.handler.MaxBodyBytes))
	}
	var large *http.MaxBytesError
	switch text := bytes.TrimSpace(bytes.TrimPrefix(r.body, []byte("\uFEFF"))); {
	case errors.As(r.bodyErr, &large):
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", large.Limit)
	case r.bodyErr != nil:
		return nil, invalid("the body could not be read: %v", r.bodyErr)
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

// saysMore reports whether the request has a body with something in it. Some clients
// send one that has not.
func (r *request) saysMore() bool {
	const most = 1 << 10                                 // bytes of nothing
	begin, _ := io.ReadAll(io.LimitReader(r.Body, most)) // of a body that breaks off what came counts
	text := string(bytes.TrimSpace(bytes.TrimPrefix(begin, []byte("\uFEFF"))))
	return len(begin) == most || !slices.Contains([]string{"", "null", "{}", `""`}, text)
}

// foreignEncoding names how a body is encoded if that is not UTF-8 as it is, by what the
// header says or by how it begins; "" if it is.
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

// query holds the parameters that a route documents; others do not exist
// (spec/http-api.md 1.4).
type query struct {
	params map[string][]string // by lower-case name, in the order they came
	tags   map[string]string   // the parameters tag.NAME by NAME; nil: there are none
}

func (q query) last(name string) string {
	values := q.params[strings.ToLower(name)]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// flag reads true or false in any letter case; anything else is the default.
func (q query) flag(name string, otherwise bool) bool {
	switch strings.ToLower(strings.TrimSpace(q.last(name))) {
	case "true":
		return true
	case "false":
		return false
	}
	return otherwise
}

// maxWait bounds how long one request may wait: front ends cut it at 230 s.
const maxWait = 230 * time.Second

// seconds reads a decimal number of seconds, cut at [maxWait].
func (q query) seconds(name string) (time.Duration, bool) {
	return parseSeconds(q.last(name))
}

func parseSeconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	return time.Duration(min(n, maxWait.Seconds()) * float64(time.Second)), true
}

// reason reads the parameter of that name. Placeholders that lazy callers leave
// in place are none (spec/http-api.md 5.6).
func (q query) reason() string {
	switch text := strings.Join(q.params["reason"], ","); text {
	case "{text}", "{{text}}", "undefined":
		return ""
	default:
		return text
	}
}

// instant reads a time; ok is false when there is none or it cannot be read.
func (q query) instant(name string) (at time.Time, ok bool) { return parseTime(q.last(name)) }

// The parts of the times that callers send (spec/http-api.md 2.3). Fractions of
// seconds may follow where there are seconds.
var (
	dateLayouts  = []string{"2006-01-02", "1/2/2006"}
	clockLayouts = []string{"", "15:04:05", "15:04", "3:04:05 PM", "3:04 PM"}
	zoneLayouts  = []string{"", "Z07:00", "Z0700", " Z07:00"}
	shortYear    = regexp.MustCompile(`^\d{1,3}-`)
	lostPlus     = regexp.MustCompile(`(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$`)
)

// parseTime reads ISO 8601 and what a parser of the invariant culture takes. No
// zone is UTC. Years may lack zeros, and the plus of an offset may have become a
// blank.
func parseTime(text string) (time.Time, bool) {
	text = strings.ToUpper(strings.TrimSpace(text))
	if text == "" {
		return time.Time{}, false
	}
	if year := shortYear.FindString(text); year != "" {
		text = strings.Repeat("0", 5-len(year)) + text
	}
	text = lostPlus.ReplaceAllString(text, "$1+$2")
	for _, date := range dateLayouts {
		for _, clock := range clockLayouts {
			for _, separator := range []string{"T", " "} {
				for _, zone := range zoneLayouts {
					layout := date + zone
					if clock != "" {
						layout = date + separator + clock + zone
					}
					if at, err := time.Parse(layout, text); err == nil {
						return at.UTC(), true
					}
				}
			}
		}
	}
	return time.Time{}, false
}
