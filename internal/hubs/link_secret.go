package hubs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/perdure/perdure/internal/private"
)

// loadLinkSecret reads what links of one operation are signed with, and makes
// it if it is not there. It is no key: it opens nothing, and no key that is
// taken away takes it along. Whoever deletes it ends all links that were ever
// made, at the next start; one that is damaged would do so unseen.
func loadLinkSecret(dataDir string) ([]byte, error) {
	path := filepath.Join(dataDir, "link-secret")
	text, err := private.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = sealed(newKeyValue())
		err = private.Write(path, text)
	}
	if err != nil {
		return nil, fmt.Errorf("secret of links: %w", err)
	}
	secret, _, _ := strings.Cut(string(text), " ")
	if len(secret) < len(newKeyValue()) || string(text) != string(sealed(secret)) {
		return nil, fmt.Errorf("secret of links: %s is damaged: delete it, and the next start makes another one, under which links that were made so far open nothing", path)
	}
	return []byte(secret), nil
}

// sealed is a secret and a checksum of it, a line.
func sealed(secret string) []byte {
	return fmt.Appendf(nil, "%s %x\n", secret, sha256.Sum256([]byte(secret)))
}
