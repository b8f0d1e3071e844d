"""A plug-in for Loadlock: what others write in a package of their own."""
