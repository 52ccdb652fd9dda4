"""Templates to deploy an exported SavedModel: container, manifests, monitoring and a client."""
