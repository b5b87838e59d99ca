package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
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
	params  map[string]string

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
	switch text := bytes.TrimSpace(r.body); {
	case errors.As(r.bodyErr, &large):
		return nil, &problem{http.StatusRequestEntityTooLarge, "InvalidArgument", fmt.Sprintf("the body has more than %d bytes", large.Limit)}
	case r.bodyErr != nil:
		return nil, invalid("the body could not be read: %v", r.bodyErr)
	case len(text) == 0:
		return nil, nil
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

// origin is scheme and authority of the request.
func (r *request) origin() string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// query holds parameters by lower-case name (spec/http-api.md 1.4).
type query map[string][]string

func parseQuery(raw string) query {
	values, _ := url.ParseQuery(raw) // what cannot be parsed is left out, like unknown parameters
	q := query{}
	for name, v := range values {
		q[strings.ToLower(name)] = append(q[strings.ToLower(name)], v...)
	}
	return q
}

func (q query) last(name string) string {
	values := q[strings.ToLower(name)]
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
	n, err := strconv.ParseFloat(strings.TrimSpace(q.last(name)), 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	return time.Duration(min(n, maxWait.Seconds()) * float64(time.Second)), true
}

// reason reads the parameter of that name. Placeholders that lazy callers leave
// in place are none (spec/http-api.md 5.6).
func (q query) reason() string {
	switch text := strings.Join(q["reason"], ","); text {
	case "{text}", "{{text}}", "undefined":
		return ""
	default:
		return text
	}
}

// prefixed returns the parameters whose names begin with prefix, which is lower
// case, without it; nil when there are none. Letter case of the rest counts.
func prefixed(raw, prefix string) map[string]string {
	values, _ := url.ParseQuery(raw)
	var out map[string]string
	for name, v := range values {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			if out == nil {
				out = map[string]string{}
			}
			out[name[len(prefix):]] = v[len(v)-1]
		}
	}
	return out
}
