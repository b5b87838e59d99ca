package httpapi

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// request is one request on its way through a route.
type request struct {
	*http.Request
	handler *Handler
	query   query
	pairs   []pair // what query was read from
	params  map[string]string
	caller  caller

	hub        Hub
	taskHub    string
	connection string

	reserved int64 // bytes of the gate that the body takes
}

func (r *request) id() history.InstanceID { return history.InstanceID(r.params["id"]) }

// query holds the parameters that a route documents; others do not exist
// (docs/contracts/http-api.md 1.4).
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
// in place are none (docs/contracts/http-api.md 5.6).
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

// The parts of the times that callers send (docs/contracts/http-api.md 2.3).
// Fractions of seconds may follow where there are seconds.
var (
	dateLayouts  = []string{"2006-01-02", "1/2/2006"}
	clockLayouts = []string{"", "15:04:05", "15:04", "3:04:05 PM", "3:04 PM"}
	zoneLayouts  = []string{"", "Z07:00", "Z0700", " Z07:00"}
	shortYear    = regexp.MustCompile(`^\d{1,3}-`)
	lostPlus     = regexp.MustCompile(`(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$`)
)

// parseTime reads ISO 8601 and what a parser of the invariant culture takes. No
// zone is UTC. Years may lack zeros, and the plus of an offset may have become
// a blank.
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
