package httpapi

import (
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/nearest"
	"github.com/perdure/perdure/internal/wire"
)

// Absent, empty, unreadable and unknown are four things. Requests that change
// something refuse the last three, whatever the parameter, for what is dropped
// there makes them do more than was asked. Requests that look are as lenient as
// the contract (docs/contracts/http-api.md 1.4) about the parameters of the
// contract, and strict about ours; so is a start, see [route.lenient].

// pair is one parameter as it came.
type pair struct {
	raw         string // as it stands in the URL
	name, value string // decoded; value is "true" for a flag that stands alone
	bare        bool   // it stands alone, without '='
	broken      bool   // name or value cannot be decoded
	of          *param // nil: the route has none of this name
}

// ignored are parameters that any request may have. They select nothing here:
// code has been looked at, and the others are what some clients believe they
// must send.
var ignored = []string{"code", "connectionName", "systemKey"}

// readPairs splits a raw query for a route, which may be nil.
func readPairs(raw string, to *route) []pair {
	parts := strings.Split(raw, "&")
	var pairs []pair
	for i := 0; i < len(parts); i++ {
		if parts[i] == "" {
			continue
		}
		p := to.pair(parts[i])
		// npm's client pastes reasons as they are (docs/contracts/http-api.md
		// 5.6): what follows a & in one is no parameter, and belongs to it.
		for last := i + 1; p.of != nil && p.of.kind == prose && last < len(parts); last++ {
			switch {
			case goesOn(parts[last]):
				p = to.pair(p.raw + "&" + strings.Join(parts[i+1:last+1], "&"))
				i = last
			case parts[last] != "":
				last = len(parts)
			}
		}
		pairs = append(pairs, p)
	}
	return pairs
}

func (t *route) pair(raw string) pair {
	name, value, valued := strings.Cut(raw, "=")
	p := pair{raw: raw, bare: !valued}
	var nameErr, valueErr error
	p.name, nameErr = url.QueryUnescape(name)
	p.of = t.parameter(p.name)
	if p.of != nil && p.of.kind == prose {
		p.value = unescapeProse(value)
	} else {
		p.value, valueErr = url.QueryUnescape(value)
	}
	p.broken = nameErr != nil || valueErr != nil || !utf8.ValidString(p.name) || !utf8.ValidString(p.value)
	if p.bare && p.of != nil && p.of.kind == flag && t.strict(p.of) {
		p.value = "true"
	}
	return p
}

// goesOn reports whether text that follows a & goes on with a sentence: it
// begins with a blank, and is not a parameter with a blank too many.
func goesOn(raw string) bool {
	if !strings.HasPrefix(raw, "%20") && !strings.HasPrefix(raw, "+") {
		return false
	}
	name, _, _ := strings.Cut(unescapeProse(raw), "=")
	name = notInNames.ReplaceAllString(name, "")
	for i := range routes {
		if routes[i].parameter(name) != nil {
			return false
		}
	}
	return true
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9.]`)

// unescapeProse decodes text that people write: a '%' that begins no escape
// stands for itself, as it does in ASP.NET.
func unescapeProse(raw string) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(raw):
			if n, err := strconv.ParseUint(raw[i+1:i+3], 16, 8); err == nil {
				c, i = byte(n), i+2
			}
		}
		out = append(out, c)
	}
	return strings.ToValidUTF8(string(out), string(utf8.RuneError))
}

// parameter returns the route's parameter of that name, in any letter case; nil
// if it has none.
func (t *route) parameter(name string) *param {
	for p := range t.parameters() {
		if p.kind != header && strings.EqualFold(p.name, name) || p.name == tagParam && tagName(name) != "" {
			return p
		}
	}
	return nil
}

// parameters are those of all routes, and then of this one if there is one.
func (t *route) parameters() iter.Seq[*param] {
	return func(yield func(*param) bool) {
		groups := [][]param{commonParams}
		if t != nil {
			groups = append(groups, t.params...)
		}
		for _, group := range groups {
			for i := range group {
				if !yield(&group[i]) {
					return
				}
			}
		}
	}
}

// changes reports whether requests to the route change anything.
func (t *route) changes() bool {
	return t != nil && (t.method == http.MethodPost || t.method == http.MethodDelete)
}

// strict reports whether the route refuses a value of p that is empty or
// unreadable.
func (t *route) strict(p *param) bool {
	if !t.changes() {
		return p.ours
	}
	return !slices.Contains(t.lenient, p.name)
}

// check refuses a request that cannot be heeded whole.
func (t *route) check(r *request) error {
	if t.needs != "" {
		if _, ok := r.query.instant(t.needs); !ok {
			return &problem{http.StatusBadRequest, bareText, t.needs + " is required, a time like 2030-01-02T15:04:05Z; 0001-01-01T00:00:00Z is early enough for all"}
		}
	}
	for i := range r.pairs {
		p := &r.pairs[i]
		switch {
		case p.broken && (t.changes() || p.of != nil && t.strict(p.of)):
			return invalid("parameter %q cannot be read: a %% that stands for itself is written %%25, and texts are UTF-8", p.raw)
		case p.broken || containsFold(ignored, p.name):
		case p.of == nil && t.changes():
			return t.unknown(p)
		case p.of == nil || !t.changes() && !p.of.ours:
		default:
			if err := p.check(); err != nil && t.strict(p.of) {
				return err
			}
			if err := p.agrees(r.pairs[:i]); err != nil && (t.strict(p.of) || p.of.kind == text) {
				return err
			}
		}
	}
	if values := r.Header.Values(idempotencyHeader); t.changes() && len(values) > 0 {
		if values = slices.Compact(slices.Clone(values)); len(values) > 1 || strings.TrimSpace(values[0]) == "" {
			return invalid("header %s is empty or says two things", idempotencyHeader)
		}
	}
	if t.bodiless && r.saysMore() {
		return invalid("a body is not looked at here: parameters go into the URL")
	}
	return nil
}

func (t *route) unknown(p *pair) error {
	var names []string
	reasons := false
	for known := range t.parameters() {
		if known.kind != header {
			names = append(names, known.name)
		}
		reasons = reasons || known.kind == prose
	}
	hint := nearest.Hint(p.name, names)
	if hint == "" && reasons {
		hint = "; a & in a reason is written %26"
	}
	return invalid("unknown parameter %q%s; known here are %s", p.name, hint, strings.Join(names, ", "))
}

// check reports what is wrong with the value of a known parameter.
func (p *pair) check() error {
	name, text := p.of.name, strings.TrimSpace(p.value)
	if p.of.kind == prose { // none is none, as some clients send it
		return nil
	}
	if name == tagParam {
		name = p.name
	}
	switch {
	case p.bare && p.of.kind != flag:
		return invalid("parameter %s has no value: %s=...", name, name)
	case text == "":
		return invalid("parameter %s is empty; leave it out if it is not meant", name)
	}
	var ok bool
	var want string
	switch p.of.kind {
	case flag:
		ok, want = strings.EqualFold(text, "true") || strings.EqualFold(text, "false"), "true or false"
	case seconds:
		_, ok = parseSeconds(text)
		want = "a number of seconds"
	case number:
		n, err := strconv.Atoi(text)
		ok, want = err == nil && n > 0, "a number above 0"
	case instant:
		_, ok = parseTime(text)
		want = "a time like 2030-01-02T15:04:05Z"
	case reuse:
		_, ok = wire.ParseReuse(text)
		want = "RefuseIfActive, RefuseIfExists, ReplaceAny or ReturnExisting"
	case document:
		ok, want = json.Valid([]byte(text)), "JSON"
	case statuses:
		for word := range strings.SplitSeq(text, ",") {
			if _, err := history.ParseStatus(strings.TrimSpace(word)); err != nil {
				return invalid("%s: %v", name, err)
			}
		}
		ok = true
	default:
		ok = true
	}
	if !ok {
		return invalid("%s %q is not %s", name, p.value, want)
	}
	return nil
}

// agrees reports whether the same parameter said something else before.
func (p *pair) agrees(before []pair) error {
	if p.of.kind == prose || p.of.kind == statuses { // these add up
		return nil
	}
	for i := range before {
		same := before[i].of != nil && before[i].of.name == p.of.name
		if p.of.name == tagParam {
			same = same && tagName(before[i].name) == tagName(p.name)
		}
		if same && before[i].value != p.value {
			return invalid("parameter %s is given twice, as %q and %q", p.name, before[i].value, p.value)
		}
	}
	return nil
}

// tagParam stands for the parameters tag.NAME. Letter case of NAME counts.
const tagParam = "tag.NAME"

// tagName returns NAME; "" for other parameters.
func tagName(name string) string {
	const prefix = "tag."
	if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
		return name[len(prefix):]
	}
	return ""
}

// newQuery gathers what was read of the pairs that the route has.
func newQuery(pairs []pair) query {
	q := query{params: map[string][]string{}}
	for _, p := range pairs {
		switch {
		case p.broken || p.of == nil:
		case p.of.name == tagParam:
			if q.tags == nil {
				q.tags = map[string]string{}
			}
			q.tags[tagName(p.name)] = p.value
		default:
			key := strings.ToLower(p.of.name)
			q.params[key] = append(q.params[key], p.value)
		}
	}
	return q
}
