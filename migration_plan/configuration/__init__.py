"""What is written down: fig.yml and a domain's plan with its sections, as frozen values."""
