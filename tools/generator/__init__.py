"""What `make generate` writes from each table in tools/tables/; tools/generate.py has the regions."""
