package cli

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestDirect: what is understood without the tree means the same as with it, and what is not has left nothing behind.
func TestDirect(t *testing.T) {
	for _, line := range []string{
		"run -- true", "run true --help", "run -q -s STORE -p a=1 -p b=2 -i x -o y --wait 3s -- sh -c x", "run -nq -sSTORE true",
		"run --store=NEAR --store FAR -- true",
		"run", "run -h", "run -qh", "run --help", "run --nope -- true", "run -s STORE --wait never -- true", "run -name x -- true",
		"run -s STORE --check --refresh -- true", "", "ls", "-q run -- true", "help run", "--help",
	} {
		args := strings.Fields(line)
		a := &app{args: args}
		own, work := direct(context.Background(), a)
		if a.storeURL != "" || a.quiet || a.started {
			t.Errorf("%q: direct changed the app: %+v", line, a)
		}

		// What the tree makes of it, without what its commands do.
		b := &app{args: args, stdout: new(strings.Builder), stderr: new(strings.Builder)}
		var words []string
		root := newRoot(b, plainly(args))
		cmd, _, err := root.Find(args)
		ran := false
		if err == nil && cmd.Name() == "run" && args[0] == "run" {
			cmd.InitDefaultHelpFlag()
			err = cmd.ParseFlags(args[1:])
			words = cmd.Flags().Args()
			help, _ := cmd.Flags().GetBool("help")
			ran = err == nil && !help && len(words) > 0 && cmd.ValidateFlagGroups() == nil && checkDashes(cmd, args) == nil
		}
		if ran != (work != nil) {
			t.Errorf("%q: direct understood it: %v; the tree: %v (%v)", line, work != nil, ran, err)
			continue
		}
		if work != nil && (own.storeURL != b.storeURL || own.quiet != b.quiet) {
			t.Errorf("%q: direct has store %q, quiet %v; the tree %q, %v", line, own.storeURL, own.quiet, b.storeURL, b.quiet)
		}
	}
}

func TestListFlag(t *testing.T) {
	var list []string
	f := listFlag{&list}
	for _, v := range []string{"a,b", "", `"c"`} {
		if err := f.Set(v); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a,b", "", `"c"`}; !slices.Equal(f.GetSlice(), want) {
		t.Errorf("the flag has %q, want each value as it was given: %q", f.GetSlice(), want)
	}
}

func TestTallies(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	seen := map[string]string{}
	for _, of := range [][2]string{{"a", "s3://x/y"}, {"b", "s3://x/y"}, {"a", "s3://x/z"}, {"as3", "://x/y"}} {
		c, err := tallyOn(of[0], of[1])
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[c.path]; ok {
			t.Errorf("%v and %s share the tally %s", of, other, c.path)
		}
		seen[c.path] = of[0] + " " + of[1]
	}
}
