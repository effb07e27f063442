"""Step 8, seen: web pages over what is stored, each with a JSON twin.

    request -> guards -> pages | api -> panels -> storage.Reader -> ClickHouse

`app` names the routes, `panel` what a panel is, the modules beside them one panel or page each;
`templates/` and `static/` are what a browser gets. In: requests. Out: pages, JSON, commands on
their topic. Never: the live pipeline, a write to ClickHouse, anything fetched from another host.
"""
