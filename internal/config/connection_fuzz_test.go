package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A connection string is never told, whatever is wrong with it or where it stands.
func FuzzConnection(f *testing.F) {
	const secret = "Sup3rS3cr3t"
	for _, text := range []string{
		"UseDevelopmentStorage=true;", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=", "postgres://u:", "Endpoint=https://x;AccessKey=", "http://h?code=", " ", "%A%",
	} {
		f.Add(text)
	}
	bare, values, connections := f.TempDir(), f.TempDir(), f.TempDir() // one each: a new one for each text would be most of the work
	f.Fuzz(func(t *testing.T, text string) {
		value, err := json.Marshal(text + secret)
		if err != nil {
			t.Fatal(err)
		}
		put(t, values, "local.settings.json", `{"Values":{"AzureWebJobsStorage":`+string(value)+`}}`)
		put(t, connections, "local.settings.json", `{"ConnectionStrings":{"AzureWebJobsStorage":`+string(value)+`}}`)
		for _, src := range []Source{
			{Dir: values}, {Dir: connections}, {Dir: bare, Environ: []string{"AzureWebJobsStorage=" + text + secret}},
		} {
			c, err := Load(src)
			told := fmt.Sprint(err)
			if err == nil {
				told = fmt.Sprint(c.Warnings, c.Settings)
			}
			if strings.Contains(told, secret) {
				t.Errorf("Load of %s tells %s", value, told)
			}
		}
	})
}
