"""From a prepared set and a machine to a config with the reasons for every choice: `cgan-dist new`.

`facts` is what the data says of itself, `machine` where it will train. `dcgan` and `r3` are the recipes that a config
is made by, each a class as `recipe.Recipe` describes it; `choices` adds what does not depend on the recipe, `proposal`
measures a step and fits the length to the hours, `commented` writes the YAML.
"""
