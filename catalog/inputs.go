package catalog

import (
	"context"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/component"
)

// An Input is what a component was computed from.
type Input struct {
	Key         string
	Label       string // what the stage calls it, often its path; "" where that is not known
	Description component.Description
	Known       bool // Description says what it is
}

// stdinLabel is the label of what a command read as its standard input.
const stdinLabel = "standard input"

// Inputs returns the inputs of a component, each with its description where the store has it: a
// request for each.
func Inputs(ctx context.Context, store *larder.Store, d component.Description) ([]Input, error) {
	inputs := make([]Input, len(d.Inputs))
	for i, key := range d.Inputs {
		in := Input{Key: key}
		var err error
		if in.Description, in.Known, err = Describe(ctx, store, key); err != nil {
			return nil, err
		}
		inputs[i] = in
	}
	if len(inputs) > 0 && inputs[0].Description.Type == component.CommandType {
		params, _ := inputs[0].Description.Parameters.(map[any]any)
		labels, _ := params["inputs"].([]any)
		for i := range inputs[1:] {
			switch {
			case i < len(labels):
				inputs[i+1].Label, _ = labels[i].(string)
			case i == len(labels) && params["stdin"] == true:
				inputs[i+1].Label = stdinLabel
			}
		}
	}
	return inputs, nil
}

// CommandLine returns the command and its arguments, if d describes the first input of a
// stage of larder run; else nil.
func CommandLine(d component.Description) []string {
	params, _ := d.Parameters.(map[any]any)
	list, _ := params["args"].([]any)
	if d.Type != component.CommandType {
		return nil
	}
	var args []string
	for _, arg := range list {
		text, _ := arg.(string)
		args = append(args, text)
	}
	return args
}
