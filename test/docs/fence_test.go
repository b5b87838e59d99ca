package docs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// block is one fenced snippet.
type block struct {
	place  string // document and line, for people
	file   string // document, relative to the repository
	line   int    // of the first line of text
	lang   string
	arg    string // what follows the language
	text   string
	output *block // of commands: what they print; nil when that is not shown
}

var (
	indent = regexp.MustCompile("^(?: {4}|\t)[ \t]*[^ \t*+-]")
	fence  = regexp.MustCompile("^[ \t]*(```+|~~~+)[ \t]*([^ \t`]*)[ \t]*([^`]*?)[ \t]*$")
	// checked is a command that is not run here; see package docs.
	checked = regexp.MustCompile(`^(?:make ([a-z-]+)|cd bench(?:/peers)? && go (?:run|test) [^#]*?)(?: +#.*)?\n?$`)
	program = regexp.MustCompile(`^examples/([a-z]+)/main\.go$`)
)

// blocks returns the snippets of a document. Outputs hang on their commands.
func blocks(file, text string) ([]*block, error) {
	var found []*block
	var open, commands *block // the block being read; commands whose output may follow
	indented := false         // the line before is indented code
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		mark := fence.FindStringSubmatch(line)
		switch {
		case open != nil && mark != nil && mark[2] == "":
			done := open
			open = nil
			isOutput, err := done.check(commands)
			if err != nil {
				return nil, err
			}
			if isOutput {
				commands.output, commands = done, nil
				break
			}
			found = append(found, done)
			if commands = nil; done.lang == "sh" {
				commands = done
			}
		case open != nil:
			open.text += line + "\n"
		case mark != nil:
			open = &block{place: fmt.Sprintf("%s:%d", file, i+1), file: file, line: i + 2, lang: mark[2], arg: mark[3]}
		case indent.MatchString(line) && (indented || i > 0 && strings.TrimSpace(lines[i-1]) == ""):
			indented, commands = true, nil
			code := strings.TrimSpace(line) + "\n"
			switch {
			case checked.MatchString(code):
				found = append(found, &block{place: fmt.Sprintf("%s:%d", file, i+1), file: file, line: i + 1, lang: "sh", text: code})
			case !json.Valid([]byte(code)):
				return nil, fmt.Errorf("%s:%d: this is shown as code and nobody runs it; put it between fences", file, i+1)
			}
			continue
		case strings.TrimSpace(line) != "":
			commands = nil
		}
		indented = false
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the fence is not closed", open.place)
	}
	return found, nil
}

// check reports whether b is the output of the commands directly above it, nil
// for none, and what is wrong with its fence.
func (b *block) check(commands *block) (isOutput bool, err error) {
	switch {
	case (b.lang == "text" || b.lang == "json") && b.arg == "":
		if commands == nil {
			return false, fmt.Errorf("%s: there are no commands directly above this output; see package docs", b.place)
		}
		return true, nil
	case b.lang == "sh" && b.arg == "", b.lang == "text" && b.arg == "picture":
	case b.isFile():
	case b.lang == "go" && b.arg == "":
		if strings.HasPrefix(b.text, "package ") {
			return false, fmt.Errorf("%s: a whole program needs a name, examples/NAME/main.go", b.place)
		}
	case b.lang == "go" && program.MatchString(b.arg):
	default:
		return false, fmt.Errorf("%s: nobody runs a fence %q; see package docs for those that are run", b.place, strings.TrimSpace(b.lang+" "+b.arg))
	}
	return false, nil
}

// isFile says that b is a file of the reader's folder.
func (b *block) isFile() bool {
	return b.lang == "json" && (b.arg == "host.json" || b.arg == "local.settings.json") || b.lang == "go" && (b.arg == "main.go" || b.arg == "main_test.go")
}

func TestBlocks(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       string // languages, outputs behind '>'; or the error
	}{
		{"none", "text\n", ""},
		{"commands and output", "```sh\ntrue\n```\n\n```text\nout\n```\n```go\nvar x int\n```\n", "sh>text go"},
		{"output of nothing", "```sh\ntrue\n```\nprose\n```text\nout\n```\n", "f:5: there are no commands"},
		{"second output", "```sh\ntrue\n```\n```text\nout\n```\n```json\n1\n```\n", "f:7: there are no commands"},
		{"indented", "* item\n\n  ```sh\n  true\n  ```\n", "sh"},
		{"tildes", "~~~sh\ntrue\n~~~\n", "sh"},
		{"picture", "```text picture\na --> b\n```\n", "text"},
		{"file", "```json host.json\n{}\n```\n", "json"},
		{"program of the reader's", "```go main.go\npackage main\n```\n", "go"},
		{"unknown language", "```bash\ntrue\n```\n", `f:1: nobody runs a fence "bash"`},
		{"no language", "```\ntrue\n```\n", `f:1: nobody runs a fence ""`},
		{"program without a name", "```go\npackage main\n```\n", "f:1: a whole program needs a name"},
		{"indented code", "text\n\n    make test  # all of it\n    {\"a\":1}\n    cd bench && go run . -quick\n    cd bench/peers && go run ./compare\n", "sh sh sh"},
		{"indented code that nobody runs", "text\n\n    make test\n    rm -r x\n", "f:4: this is shown as code"},
		{"indented list", "* item\n  goes on\n\n    * item\n", ""},
		{"open", "```sh\ntrue\n", "f:1: the fence is not closed"},
	} {
		found, err := blocks("f", tt.text)
		var got []string
		for _, b := range found {
			word := b.lang
			if b.output != nil {
				word += ">" + b.output.lang
			}
			got = append(got, word)
		}
		result := strings.Join(got, " ")
		if err != nil {
			result = err.Error()
		}
		if result != tt.want && (err == nil || !strings.HasPrefix(result, tt.want)) {
			t.Errorf("%s: blocks(%q) = %q, want %q", tt.name, tt.text, result, tt.want)
		}
	}
}
