package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/nearest"
)

// conflictRules are the values of --on-conflict.
var conflictRules = map[string]client.Reuse{
	"":                 client.RefuseIfActive, // or what host.json says
	"fail":             client.RefuseIfExists,
	"replace-finished": client.RefuseIfActive,
	"terminate":        client.ReplaceAny,
	"return-existing":  client.ReturnExisting,
}

var conflictNames = []string{"fail", "replace-finished", "terminate", "return-existing"}

func parseConflict(name string) (client.Reuse, error) {
	rule, ok := conflictRules[name]
	if !ok {
		return 0, usage("--on-conflict %s: the value is %s%s", name, strings.Join(conflictNames, ", "), nearest.Hint(name, conflictNames))
	}
	return rule, nil
}

// conflictOption declares --on-conflict.
func conflictOption(cmd *cobra.Command) *string {
	rule := cmd.Flags().String("on-conflict", "", "when the id is in use: fail, replace-finished, terminate or return-existing (default replace-finished)")
	cmd.RegisterFlagCompletionFunc("on-conflict", cobra.FixedCompletions(conflictNames, cobra.ShellCompDirectiveNoFileComp))
	return rule
}

func (t *tool) startNew() *cobra.Command {
	cmd := t.newCommand("start-new --function-name NAME [--id ID] [--input JSON] [--create]", "Start an instance of an orchestrator",
		"perdure start-new --function-name OrderFlow --input @order.json")
	var name, id, version string
	var tags []string
	startAt := dateOption{name: "start-at", ahead: true}
	var input payloadOptions
	flags := cmd.Flags()
	flags.StringVarP(&name, "function-name", "n", "", "orchestrator to start (required)")
	flags.StringVarP(&id, "id", "i", "", "id of the instance (default: a random one)")
	input.register(cmd, "input")
	flags.StringVar(&version, "version", "", "version of the instance")
	flags.StringVar(&startAt.text, "start-at", "", "time, or duration from now, before which it does not begin")
	flags.StringArrayVar(&tags, "tag", nil, "NAME=VALUE to find it by; may be repeated")
	conflict := conflictOption(cmd)
	create := t.createOption(cmd)
	t.takesWord(cmd, "function-name", false)
	cmd.ValidArgsFunction = t.completeFunctions
	end := t.waitOptions(cmd, "return when the instance has ended, and fail unless it completed")
	cmd.RegisterFlagCompletionFunc("function-name", t.completeFunctions)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if name == "" {
			return syntax("--function-name is required")
		}
		o := client.StartOptions{ID: client.InstanceID(id), Version: version}
		var makes bool
		err := firstError(
			func() (err error) { o.Reuse, err = parseConflict(*conflict); return },
			func() (err error) { o.Tags, err = parseTags(tags); return },
			func() (err error) { o.StartAt, err = startAt.instant(); return },
			func() (err error) { makes, err = t.creates(*create); return },
			end.check,
		)
		if err != nil {
			return err
		}
		payload, err := t.payload(&input)
		if err != nil {
			return err
		}
		return t.withClient(cmd.Context(), access{create: makes, endless: end.wait}, func(ctx context.Context, h *hub) error {
			id, err := h.Start(ctx, name, payload, o)
			if err != nil {
				return err
			}
			if end.wait {
				t.warn("started instance %s", id)
				status, err := end.completed(ctx, h, string(id))
				return t.ended(status, err, func(s *client.Status) result { return started(s, h.Client).andEnded(s) })
			}
			status, err := h.Status(ctx, id, client.StatusOptions{})
			if err != nil {
				return err
			}
			if !status.Terminal() {
				h.waits("the instance")
			}
			return t.show(started(status, h.Client))
		})
	}
	return cmd
}

// started tells of a start in the words that scripts know; JSON has the links
// by which the instance is managed over HTTP.
func started(s *client.Status, c *client.Client) result {
	r := instance(s, shown{input: true, output: true})
	r.document = r.document.(object).with("links", links(c, string(s.ID)))
	text := fmt.Sprintf("Started '%s' at %s\nInstance ID: '%s'\n", s.Name, second(s.CreatedAt), s.ID)
	r.legacy, r.usual = text, "legacy"
	return r
}

// andEnded adds to the words of a start how the instance ended.
func (r result) andEnded(s *client.Status) result {
	r.legacy = fmt.Sprintf("%sStatus: %s\nOutput: %s\n", r.legacy, s.RuntimeStatus, orNull(s.Output))
	return r
}

func orNull(payload []byte) string {
	if len(payload) == 0 {
		return "null"
	}
	return string(payload)
}

// links are those of an instance, without a key; nil when no host serves the
// hub, so that there are none.
func links(c *client.Client, id string) *client.ManagementLinks {
	base, hub := address(c)
	if base == "" {
		return nil
	}
	return new(c.WithLinks(client.LinkOptions{Base: base, TaskHub: hub}).Links(client.InstanceID(id)))
}

// address is where the hub of c is served, and its name as far as c knows it;
// empty when no host serves it.
func address(c *client.Client) (base, hub string) {
	link, err := url.Parse(c.Links("x").StatusQueryGetURI)
	if err != nil || link.Host == "" {
		return "", ""
	}
	hub = link.Query().Get("taskHub")
	link.RawQuery = ""
	return strings.TrimSuffix(link.String(), "/instances/x"), hub
}

// parseTags reads NAME=VALUE.
func parseTags(options []string) (map[string]string, error) {
	if len(options) == 0 {
		return nil, nil
	}
	tags := make(map[string]string, len(options))
	for _, option := range options {
		name, value, ok := strings.Cut(option, "=")
		if !ok || name == "" || value == "" {
			return nil, usage("--tag %s: NAME=VALUE is needed", option)
		}
		if _, twice := tags[name]; twice {
			return nil, usage("--tag %s: %s is given twice", option, name)
		}
		tags[name] = value
	}
	return tags, nil
}

// firstError does one after the other until one fails.
func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
