package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/links"
	"github.com/perdure/perdure/internal/wire"
)

// call is one request. body nil sends none.
type call struct {
	method string
	path   []string // segments, not escaped
	query  url.Values
	body   json.RawMessage
	key    string // Idempotency-Key
	token  string // of a page

	ok      []int         // the answers that the contract has for what was asked; all others are failures
	large   bool          // the answer may be: see [RemoteOptions.MaxAnswerBytes]
	own     bool          // only a host of ours has it
	looks   bool          // it changes nothing, though its method may look like it
	silence time.Duration // how long nothing may come from the host; 0: [silence]
	// item reads the next item of the answer, which is an array, as it comes:
	// the answer has no body then. nil: it is not read as an array.
	item func(*json.Decoder) error
}

// silence is how long a host that is asked to do little may be silent; slow is
// for what takes long: purges, counts, archives, the deletion of a hub. Only
// time in which no byte moves counts.
const (
	silence = 30 * time.Second
	slow    = 5 * time.Minute
)

// doubt says what may have become of a call that was not answered, "" when
// there is nothing to doubt.
func (c *call) doubt() string {
	word := c.path[len(c.path)-1]
	switch {
	case c.method == http.MethodGet || c.looks:
		return ""
	case c.path[0] == "orchestrators" && len(c.path) > 2:
		return "; the start may or may not have happened: repeat it with the same id"
	case c.path[0] == "orchestrators", word == "restart":
		return "; the start may or may not have happened: look for the instance before you repeat it"
	case len(c.path) > 2 && c.path[2] == "raiseEvent" && c.key != "":
		return "; the event may or may not have been stored: repeat it with the same idempotency key"
	case len(c.path) > 2 && c.path[2] == "raiseEvent":
		return "; the event may or may not have been stored: one with an idempotency key could be repeated"
	}
	return "; it may or may not have happened: look before you repeat it"
}

// answer is the response to a call.
type answer struct {
	from   string // method and address, for messages
	code   int
	body   []byte
	header http.Header
}

// ours reports whether a host of ours answered.
func (a *answer) ours() bool { return a.header.Get(wire.Mark) != "" }

// do sends c and returns an answer that c.ok has.
func (r *remote) do(ctx context.Context, c call) (answer, error) {
	address, err := r.address(c)
	if err != nil {
		return answer{}, err
	}
	return r.sendTo(ctx, c, address)
}

func (r *remote) address(c call) (string, error) {
	query := maps.Clone(c.query)
	if r.options.TaskHub != "" {
		if query == nil {
			query = url.Values{}
		}
		query.Set("taskHub", r.options.TaskHub)
	}
	address := r.base
	for _, segment := range c.path {
		if segment == "" {
			return "", fmt.Errorf("%w: the instance id is empty", ErrInvalidArgument)
		}
		address += "/" + links.Segment(segment)
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address, nil
}

func (r *remote) sendTo(ctx context.Context, c call, address string) (answer, error) {
	if r.bad != nil {
		return answer{}, r.bad
	}
	a, err := r.exchange(ctx, c, address)
	switch {
	case err != nil:
		return answer{}, err
	case !slices.Contains(c.ok, a.code) || c.own && !a.ours():
		return answer{}, r.refusal(ctx, c, a)
	}
	return a, nil
}

// errSilent ends a call to a host that does not answer.
var errSilent = errors.New("silent")

// exchange sends one request and reads the answer, whatever it is.
func (r *remote) exchange(ctx context.Context, c call, address string) (answer, error) {
	limit := c.silence
	if limit == 0 {
		limit = silence
	}
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(limit, func() { cancel(errSilent) })
	defer watch.Stop()
	heard := func() { watch.Reset(limit) }

	req, err := http.NewRequestWithContext(within, c.method, address, nil)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	if len(c.body) > 0 {
		req.ContentLength = int64(len(c.body))
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(&moving{bytes.NewReader(c.body), heard}), nil
		}
		req.Body, _ = req.GetBody()
	}
	if c.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range map[string]string{"Idempotency-Key": c.key, "x-functions-key": r.options.Key, wire.TokenHeader: c.token} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := r.http.Do(req)
	if err != nil {
		return answer{}, r.lost(ctx, within, c, limit, err)
	}
	defer res.Body.Close()
	from, _, _ := strings.Cut(c.method+" "+req.URL.Redacted(), "?")
	a := answer{from: from, code: res.StatusCode, header: res.Header}
	if a.ours() {
		r.ours.Store(true)
	}
	if !slices.Contains(c.ok, a.code) { // of an error page the beginning will do
		if a.body, err = io.ReadAll(io.LimitReader(&moving{res.Body, heard}, fewBytes)); err != nil {
			return answer{}, r.lost(ctx, within, c, limit, err)
		}
		return a, nil
	}
	body := &bounded{Reader: &moving{res.Body, heard}, left: fewBytes}
	if c.large {
		body.left = r.options.MaxAnswerBytes
	}
	most := body.left
	if res.ContentLength > most {
		return answer{}, r.tooLong(c, a, most)
	}
	if c.item != nil {
		err = readArray(body, c.item)
	} else {
		a.body, err = io.ReadAll(body)
	}
	switch {
	case body.left < 0:
		return answer{}, r.tooLong(c, a, most)
	case body.err != nil:
		return answer{}, r.lost(ctx, within, c, limit, body.err)
	case err != nil:
		return answer{}, r.strange(a, err)
	}
	return a, nil
}

// tooLong refuses an answer of more than most bytes.
func (r *remote) tooLong(c call, a answer, most int64) error {
	text := fmt.Sprintf("%v: %s answered %s with more than %d bytes%s", ErrUnavailable, a.from, statusLine(a.code), most, c.doubt())
	if c.large {
		text += "; RemoteOptions.MaxAnswerBytes allows more"
	}
	return &refused{text: text, kinds: []error{ErrUnavailable}, final: true}
}

// fewBytes is how long an answer may be that is not large.
const fewBytes = 1 << 20

// bounded is a body that may have so many bytes left, and is cut off after one
// more.
type bounded struct {
	io.Reader
	left int64
	err  error // why it could not be read to its end; nil: it could
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, io.EOF
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left+1)])
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// readArray reads a JSON array item by item. One that has no end is an error:
// it was cut off.
func readArray(r io.Reader, item func(*json.Decoder) error) error {
	d := json.NewDecoder(r)
	begin, err := d.Token()
	if err == nil && begin != json.Delim('[') {
		err = errors.New("it is no array")
	}
	for err == nil && d.More() {
		err = item(d)
	}
	if err == nil {
		_, err = d.Token() // its end
	}
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the array")
	}
	return nil
}

// moving tells of every byte that moves.
type moving struct {
	io.Reader
	heard func()
}

func (m *moving) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if n > 0 {
		m.heard()
	}
	return n, err
}

// lost tells a caller who gave up from a host that is silent and one that
// cannot be reached, and what may have happened.
func (r *remote) lost(ctx, within context.Context, c call, limit time.Duration, err error) error {
	var dial *net.OpError
	var stranger *tls.CertificateVerificationError
	doubt := c.doubt()
	if errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &stranger) {
		doubt = "" // nothing was sent
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: the host at %s has not answered yet%s", ctx.Err(), r.origin, doubt)
	case errors.Is(context.Cause(within), errSilent):
		return fmt.Errorf("%w: the host at %s hangs: nothing has come from it for %v%s", ErrUnavailable, r.origin, limit, doubt)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // its URL has reasons and payloads in it
	}
	return fmt.Errorf("%w: the host at %s: %w%s", ErrUnavailable, r.origin, err, doubt)
}

// tell is do for answers without a body.
func (r *remote) tell(ctx context.Context, c call) error {
	a, err := r.do(ctx, c)
	if err == nil && len(a.body) > 0 {
		err = r.strange(a, nil)
	}
	return err
}

// ask is do for answers in JSON. What they decode to is checked by formed:
// other programs answer in JSON too.
func (r *remote) ask(ctx context.Context, c call, out any, formed func() bool) error {
	a, err := r.do(ctx, c)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return r.strange(a, err)
	}
	if !formed() {
		return r.strange(a, nil)
	}
	return nil
}

// parseBase reads the address of a host: with or without the path of the API at
// its end, and with whatever path a proxy has before that. root is what stands
// before the API's path.
func parseBase(text string) (root, base, origin string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return "", "", "", fmt.Errorf("%w: the address of a host is like https://example.org:7071, without a query", ErrInvalidArgument)
	}
	origin = u.Scheme + "://" + u.Host
	if u.User != nil {
		root = u.Scheme + "://" + u.User.String() + "@" + u.Host
	} else {
		root = origin
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	api := wire.BasePath
	for _, known := range []string{wire.BasePath, wire.AdminPath, wire.RPCPath} { // the last is the end of the first
		if at := len(path) - len(known); at >= 0 && strings.EqualFold(path[at:], known) {
			path, api = path[:at], path[at:]
			break
		}
	}
	root += strings.TrimRight(path, "/")
	return root, root + api, origin, nil
}
