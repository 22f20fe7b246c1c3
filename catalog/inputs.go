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
	if len(inputs) == 0 || !inputs[0].Known {
		return inputs, nil
	}
	if labels := inputLabels(inputs[0].Description, len(inputs)); labels != nil {
		for i := range inputs[1:] {
			inputs[i+1].Label = labels[i+1]
		}
	}
	return inputs, nil
}

// inputLabels returns the labels of the n inputs of a stage, whose first one is given; nil if that is no command line.
func inputLabels(first component.Description, n int) []string {
	if first.Type != component.CommandType || n == 0 {
		return nil
	}
	params, _ := first.Parameters.(map[any]any)
	said, _ := params["inputs"].([]any)
	labels := make([]string, n)
	labels[0] = commandLabel
	for i := range labels[1:] {
		switch {
		case i < len(said):
			labels[i+1], _ = said[i].(string)
		case i == len(said) && params["stdin"] == true:
			labels[i+1] = stdinLabel
		}
	}
	return labels
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
