"""What an engineer needs to run an exported SavedModel: container, manifests, monitoring and a client."""
