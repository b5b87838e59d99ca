package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/internal/httpapi"
)

// pipes is a listener whose connections are in memory, with deadlines in virtual time.
type pipes struct {
	come   chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.come:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// connect serves a hub that agrees to everything, and returns a connection to it.
func connect(t *testing.T, test func(c net.Conn, answers *bufio.Reader)) {
	synctest.Test(t, func(t *testing.T) {
		p := pipes{make(chan net.Conn), make(chan struct{})}
		server := httpapi.NewServer(httpapi.New(httpapi.Options{Hub: anything{}, TaskHub: "TestHub"}))
		ended := make(chan error)
		go func() { ended <- server.Serve(p) }() // received below
		ours, theirs := net.Pipe()
		p.come <- theirs
		test(ours, bufio.NewReader(ours))
		ours.Close()
		server.Close()
		<-ended
		time.Sleep(2 * time.Second) // until the sender, if one is left, has seen it
	})
}

func request(method, path string, length int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n", method, base+path, length)
}

// A body that does not come is not waited for: not where it is read, and not where it is
// dropped.
func TestAStalledBodyIsDropped(t *testing.T) {
	for _, path := range []string{"/orchestrators/Echo", "/instances/x/terminate", "/nothing"} {
		connect(t, func(c net.Conn, answers *bufio.Reader) {
			began := time.Now()
			go io.WriteString(c, request("POST", path, 100_000)+`"half`)
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("POST %s: %v", path, err)
			}
			io.Copy(io.Discard, res.Body)
			if read := path == "/orchestrators/Echo"; !read && time.Since(began) > 0 {
				t.Errorf("POST %s, which looks at no body, is answered after %v, want at once", path, time.Since(began))
			} else if read && res.StatusCode != http.StatusRequestTimeout {
				t.Errorf("POST %s with half of a body: %d, want 408", path, res.StatusCode)
			}
			if _, err := answers.ReadByte(); err == nil {
				t.Errorf("POST %s: the connection goes on", path)
			}
			if took := time.Since(began); took > 11*time.Second { // of virtual time
				t.Errorf("POST %s: half of a body is waited for %v", path, took)
			}
		})
	}
}

// A body that moves may take its time, one that trickles may not.
func TestTheDeadlineMovesWithTheBody(t *testing.T) {
	connect(t, func(c net.Conn, answers *bufio.Reader) {
		const parts, part = 20, 256 << 10
		go func() {
			io.WriteString(c, request("POST", "/orchestrators/Echo", parts*part))
			for i := range parts {
				time.Sleep(9 * time.Second)
				text := strings.Repeat(" ", part)
				if i == 0 {
					text = "1" + text[1:]
				}
				io.WriteString(c, text)
			}
		}()
		res, err := http.ReadResponse(answers, nil)
		if err != nil || res.StatusCode != http.StatusAccepted {
			t.Fatalf("a body that takes 3 minutes: %v, %v, want 202", res, err)
		}
		io.Copy(io.Discard, res.Body)
		time.Sleep(time.Minute) // the deadlines of that are over
		go io.WriteString(c, request("POST", "/orchestrators/Echo", 1)+"1")
		if res, err = http.ReadResponse(answers, nil); err != nil || res.StatusCode != http.StatusAccepted {
			t.Fatalf("the next request: %v, %v, want 202", res, err)
		}
	})
	connect(t, func(c net.Conn, answers *bufio.Reader) {
		go func() {
			io.WriteString(c, request("POST", "/orchestrators/Echo", 1000))
			for range 1000 {
				if _, err := io.WriteString(c, " "); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		res, err := http.ReadResponse(answers, nil)
		if err != nil || res.StatusCode != http.StatusRequestTimeout {
			t.Errorf("a body of a byte a second: %v, %v, want 408", res, err)
		}
	})
}

// Whoever does not take its answer does not keep it in memory.
func TestAnAnswerThatIsNotTakenIsDropped(t *testing.T) {
	connect(t, func(c net.Conn, answers *bufio.Reader) {
		io.WriteString(c, request("GET", "/openapi.json", 0))
		time.Sleep(time.Minute)
		if text, _ := io.ReadAll(answers); strings.HasSuffix(strings.TrimSpace(string(text)), "}") {
			t.Errorf("after a minute all of the answer comes, %d bytes", len(text))
		}
	})
}
