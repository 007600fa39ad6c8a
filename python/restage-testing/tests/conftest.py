pytest_plugins = ["pytester", "restage_testing.plugin"]
