package httpapi

import (
	"io"
	"net/http"
	"time"
)

// NewServer returns a server for h with limits on what a request may cost
// before a handler sees it, and how slowly its body may come. Answers have no
// time limit, since callers may wait; those of a [Handler] must be taken,
// though half as fast will do. A connection has one request at a time, so that
// the number of connections bounds all else.
func NewServer(h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           paced{h},
		Protocols:         protocols,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
}

// At least stride bytes of a body, or all that is left of it, must come within
// pause, else the connection is dropped; so must bytes of an answer be taken.
const (
	stride = 256 << 10
	pause  = 10 * time.Second
)

// paced is a handler whose bodies must move.
type paced struct{ http.Handler }

func (p paced) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	control.SetWriteDeadline(time.Time{}) // the answer before on this connection had one
	if r.Body != nil && r.Body != http.NoBody {
		control.SetReadDeadline(time.Now().Add(pause)) // also for what is dropped unread
		r = r.WithContext(r.Context())                 // the server needs its own as it was
		r.Body = &pacedBody{ReadCloser: r.Body, control: control, left: r.ContentLength}
	}
	p.Handler.ServeHTTP(w, r)
}

// pacedBody is a body with a deadline that moves as it comes. Only time counts
// in which somebody reads.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	left    int64 // below 0: it is not known
	ended   bool
	moved   int           // bytes since the last stride was full
	waited  time.Duration // for them
}

func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	b.control.SetReadDeadline(began.Add(pause - b.waited))
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	b.moved += n
	b.waited += time.Since(began)
	switch {
	case err == io.EOF || b.left == 0:
		b.ended = true
		b.control.SetReadDeadline(time.Time{}) // else it would end the request
	case b.moved >= stride:
		b.moved, b.waited = 0, 0
	}
	return n, err
}

// smallRest is how much of a body that nobody read the server may wait for
// before it answers.
const smallRest = 1 << 10

// leavesUnread reports whether more of the body is to come. The connection must
// be closed then, or the answer would wait for it.
func leavesUnread(r *http.Request) bool {
	b, ok := r.Body.(*pacedBody)
	return ok && !b.ended && (b.left < 0 || b.left > smallRest)
}

// pacedWriter drops a caller who does not take its answer.
type pacedWriter struct {
	io.Writer
	control *http.ResponseController
}

func newPacedWriter(w http.ResponseWriter) pacedWriter {
	return pacedWriter{w, http.NewResponseController(w)}
}

func (w pacedWriter) Write(p []byte) (written int, err error) {
	for first := true; err == nil && (first || len(p) > 0); first = false {
		w.control.SetWriteDeadline(time.Now().Add(2 * pause)) // a small rest of a body may take one
		var n int
		n, err = w.Writer.Write(p[:min(len(p), stride)])
		written, p = written+n, p[n:]
	}
	return written, err
}
