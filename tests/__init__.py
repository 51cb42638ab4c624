"""The tests of fastconv.

``reference.py`` defines every operator, ``bounds.py`` says how far a result may be from it, and
``oracle.py`` puts the two together. ``problems.py`` names the shapes worth trying, ``variants.py`` lists
the ways to compute each, ``guarded.py`` makes arrays that nobody can read or write past the end of,
``bad_calls.py`` lists calls that must fail, ``part_calls.py`` draws calls that are computed in parts, and
``processes.py`` runs Python in a process of its own. What goes backwards through convolutions has
``reference_conv_gradients.py`` and ``conv_gradients.py``. Every ``test_*.py`` holds one module or promise
of the library to these.
"""
