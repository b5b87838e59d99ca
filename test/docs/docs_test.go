package docs

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents returns the texts of all documents by path in the repository.
func documents(t *testing.T, root string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.ToSlash(name)] = string(text)
		}
	}
	return texts
}

func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestSnippets follows every document from top to bottom.
func TestSnippets(t *testing.T) {
	root, bin := repository(t), t.TempDir()
	snippets := map[string][]*block{}
	var all []*block
	for file, text := range documents(t, root) {
		found, err := blocks(file, text)
		if err != nil {
			t.Error(err)
		}
		snippets[file] = found
		all = append(all, found...)
	}
	if t.Failed() {
		t.FailNow()
	}
	run(t, root, "go", "build", "-o", bin+string(filepath.Separator), "./cmd/perdure", "./examples/...")
	buildCode(t, root, bin, all)
	for file, found := range snippets {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := &session{T: t, root: root, bin: bin, dir: t.TempDir(), own: t.TempDir()}
			defer s.stop()
			for _, b := range found {
				s.follow(b)
			}
		})
	}
}

// link matches a link whose target looks like a path; what stands in Go does not.
var link = regexp.MustCompile(`\]\(([\w/.#:-]*[/.#][\w/.#:-]*)\)`)

// TestLinks checks that what documents link to is there.
func TestLinks(t *testing.T) {
	root := repository(t)
	for file, text := range documents(t, root) {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			to, err := url.Parse(found[1])
			if err != nil {
				t.Errorf("%s: link %s: %v", file, found[1], err)
				continue
			}
			if to.Scheme != "" || to.Path == "" {
				continue
			}
			path := filepath.Join(root, filepath.Dir(file), filepath.FromSlash(strings.TrimSuffix(to.Path, "/")))
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s: %v", file, found[1], err)
			}
		}
	}
}
