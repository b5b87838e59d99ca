package host

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/perdure/perdure/internal/config"
)

// lookPause is how long files of TLS are not looked at again.
const lookPause = time.Second

// certificates are the files of management.tls as they are now: a change counts
// from the first handshake that is a second later than the one before. Files
// that cannot be used change nothing and are told once.
type certificates struct {
	files config.TLS
	log   *slog.Logger

	mu     sync.Mutex // guards all below
	looked time.Time
	seen   []fs.FileInfo // of the files when they were last read
	config *tls.Config
}

// loadCertificates reads what TLS needs; nil if there is none.
func loadCertificates(files config.TLS, log *slog.Logger) (*certificates, error) {
	if !files.Enabled() {
		return nil, nil
	}
	c := &certificates{files: files, log: log, looked: time.Now()}
	c.seen = c.look()
	var err error
	c.config, err = readTLS(files)
	return c, err
}

// current returns what the next handshake uses.
func (c *certificates) current(*tls.ClientHelloInfo) (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < lookPause {
		return c.config, nil
	}
	c.looked = time.Now()
	seen := c.look()
	if slices.EqualFunc(seen, c.seen, sameFile) {
		return c.config, nil
	}
	c.seen = seen
	fresh, err := readTLS(c.files)
	if err != nil {
		c.log.Error("the files of management.tls have changed and cannot be used; those that were read before still count", "error", err)
		return c.config, nil
	}
	c.config = fresh
	c.log.Info("the files of management.tls were read again")
	return c.config, nil
}

// look returns what can be seen of the files, nil for one that is not there.
func (c *certificates) look() []fs.FileInfo {
	var seen []fs.FileInfo
	for _, path := range []string{c.files.Certificate, c.files.Key, c.files.ClientCA} {
		if path != "" {
			info, _ := os.Stat(path) // reading tells what is wrong
			seen = append(seen, info)
		}
	}
	return seen
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func readTLS(files config.TLS) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return nil, fmt.Errorf("management.tls: %s and %s: %w", files.Certificate, files.Key, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	if files.ClientCA == "" {
		return c, nil
	}
	text, err := os.ReadFile(files.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("management.tls: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("management.tls: %s holds no certificate in PEM", files.ClientCA)
	}
	c.ClientAuth = tls.VerifyClientCertIfGiven
	c.SessionTicketsDisabled = true // each connection shows its certificate to the CA of now
	return c, nil
}

// use makes a server serve by TLS, if there is any.
func (c *certificates) use(server *http.Server) {
	if c == nil {
		return
	}
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: c.current}
}
