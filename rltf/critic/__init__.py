"""CodeRL's critic: a model that predicts, from a program's beginning on, how its tests will end."""
