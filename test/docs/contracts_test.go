package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContractsThatAreCitedAreThere: whoever reads the repository has all that its comments
// and pages cite: each page of docs/contracts with the section that is named.
func TestContractsThatAreCitedAreThere(t *testing.T) {
	root := repository(t)
	cited := regexp.MustCompile(`docs/contracts/([a-z-]+)\.md(?:(?: section)? ([0-9]+(?:\.[0-9]+)?))?`)
	elsewhere := regexp.MustCompile(`\bspec/[a-z-]+\.md|\.\./shared\b`)
	pages, found := make(map[string]string), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != root {
				return fs.SkipDir // what others wrote
			}
			return nil
		}
		switch filepath.Ext(path) {
		case ".go", ".md", ".py", ".mjs", ".txt", ".proto", ".yaml", ".sh":
		default:
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if name != "test/docs/contracts_test.go" {
			if cite := elsewhere.FindString(string(text)); cite != "" {
				t.Errorf("%s cites %s, which readers of the repository do not have", name, cite)
			}
		}
		for _, cite := range cited.FindAllStringSubmatch(string(text), -1) {
			found++
			page, section := cite[1], cite[2]
			if _, ok := pages[page]; !ok {
				read, err := os.ReadFile(filepath.Join(root, "docs", "contracts", page+".md"))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				pages[page] = string(read)
			}
			if section != "" && !regexp.MustCompile(`(?m)^#{2,3} `+regexp.QuoteMeta(section)+`\.? `).MatchString(pages[page]) {
				t.Errorf("%s cites section %s of docs/contracts/%s.md, which has none", name, section, page)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Errorf("only %d citations were found", found)
	}
}
