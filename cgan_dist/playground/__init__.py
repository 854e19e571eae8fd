"""The playground: a page on this machine that draws from a trained generator. Gradio is imported by the page alone."""
