package cli

import "context"

// direct understands the command line "larder run …" without the tree of commands, which takes a fiftieth of a hit to build
// and to walk, and returns the app and what is to be done. It returns nil for every other command line, and for one that
// needs words about flags: then nothing has happened, and the tree has the words.
func direct(ctx context.Context, a *app) (*app, func() error) {
	if len(a.args) == 0 || a.args[0] != "run" {
		return nil, nil
	}
	own := *a // a is as it was if this comes to nothing
	cmd := newRun(&own)
	own.addFlags(cmd.Flags())
	if cmd.ParseFlags(a.args[1:]) != nil { // a call for help is an error here
		return nil, nil
	}
	words := cmd.Flags().Args()
	if cmd.ValidateArgs(words) != nil || cmd.ValidateFlagGroups() != nil || checkDashes(cmd, a.args) != nil {
		return nil, nil
	}
	cmd.SetContext(ctx)
	own.started = true
	return &own, func() error {
		if err := own.prepare(theStore, words); err != nil {
			return err
		}
		return cmd.RunE(cmd, words)
	}
}
