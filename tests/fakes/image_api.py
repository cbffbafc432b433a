# SPDX-License-Identifier: Apache-2.0
"""Keystone's and Glance's API on a local port, with answers of a test's."""

import http.server
import json
import operator
import threading
import urllib.parse

UNAUTHORIZED = {'error': {'code': 401, 'message': '', 'title': 'U'}}
GONE = {'message': 'No image found', 'code': '404 Not Found', 'title': 'N'}


class ImageApi:
    """Keystone and Glance in one.

    ``images`` maps an id to a status, or to the whole record. ``locations``
    maps an id to URLs; without an entry they are not shown. ``answers`` maps
    a path to a status and a body, whatever else holds.
    """

    def __init__(self):
        self.roles = ['admin', 'service']
        #: Whether Keystone lets its user in.
        self.lets_in = True
        self.images = {}
        self.locations = {}
        self.answers = {}
        #: The paths that were asked for.
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(*outer.get(self.path))

            def do_POST(self):
                self.rfile.read(int(self.headers['Content-Length']))
                if outer.lets_in:
                    token = {'X-Subject-Token': 't'}
                    self._answer(201, outer.token(), token)
                else:
                    self._answer(401, UNAUTHORIZED)

            def _answer(self, status, body, headers=()):
                text = body if isinstance(body, str) else json.dumps(body)
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self._server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        self._server.timeout = 0.05
        self.url = f'http://127.0.0.1:{self._server.server_port}'
        self._closing = False
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()

    def _serve(self):
        # Not serve_forever: Cinder's import may have made this thread green,
        # and then its end is never seen.
        while not self._closing:
            self._server.handle_request()

    def close(self):
        self._closing = True
        self._serving.join()
        self._server.server_close()

    def token(self):
        return {
            'token': {
                'methods': ['password'],
                'expires_at': '2999-01-01T00:00:00.000000Z',
                'roles': [{'id': each, 'name': each} for each in self.roles],
                'project': {'id': 'p', 'name': 'p', 'domain': {'id': 'd'}},
                'user': {'id': 'u', 'name': 'u', 'domain': {'id': 'd'}},
                'catalog': [{'type': 'identity', 'endpoints': []}],
            }
        }

    def get(self, path):
        if path in self.answers:
            return self.answers[path]
        if path == '/v3':
            links = [{'rel': 'self', 'href': f'{self.url}/v3'}]
            version = {'id': 'v3.14', 'status': 'stable', 'links': links}
            return 200, {'version': version}
        self.seen.append(path)
        parts = urllib.parse.urlsplit(path)
        if parts.path == '/v2/images':
            return self._page(dict(urllib.parse.parse_qsl(parts.query)))
        image_id, _, what = parts.path.removeprefix('/v2/images/').partition(
            '/'
        )
        if image_id not in self.images:
            return 404, GONE
        if what == 'locations':
            return self._locations(image_id)
        return 200, self._record(image_id)

    def _page(self, query):
        """As Glance does: the next page begins behind a marker."""
        ids = [
            each
            for each in sorted(self.images, key=self._order(query))
            if self._matches(self._record(each), query)
        ]
        if 'marker' in query:
            ids = ids[ids.index(query['marker']) + 1 :]
        limit = int(query.get('limit', 25))
        answer = {'images': [self._record(each) for each in ids[:limit]]}
        if len(ids) > limit:
            query['marker'] = ids[limit - 1]
            answer['next'] = f'/v2/images?{urllib.parse.urlencode(query)}'
        return 200, answer

    def _matches(self, record, query):
        """Glance lists hidden images to who asks for these alone."""
        hidden = query.get('os_hidden', 'false') == 'true'
        return (
            record.get('os_hidden', False) == hidden
            and self._is_named(record, query.get('id'))
            and query.get('name', record.get('name')) == record.get('name')
            and query.get('status', record.get('status'))
            == record.get('status')
            and query.get('visibility', 'all')
            in ('all', record.get('visibility', 'public'))
            and self._is_of_that_time(record, query.get('updated_at'))
        )

    def _is_named(self, record, wanted):
        if wanted is None:
            return True
        relation, _, ids = wanted.partition(':')
        assert relation == 'in'
        return record['id'] in ids.split(',')

    def _is_of_that_time(self, record, wanted):
        if wanted is None:
            return True
        relation, _, time = wanted.partition(':')
        compare = {'gt': operator.gt, 'gte': operator.ge}[relation]
        return compare(record['updated_at'], time)

    def _order(self, query):
        if query.get('sort') == 'updated_at:asc':
            return lambda each: (self._record(each)['updated_at'], each)
        return lambda each: each

    def _record(self, image_id):
        image = self.images[image_id]
        more = {'status': image} if isinstance(image, str) else image
        return {'id': image_id, **more}

    def _locations(self, image_id):
        if image_id not in self.locations:
            return 403, {'code': '403 Forbidden', 'message': '', 'title': 'F'}
        return 200, [
            {'url': each, 'metadata': {}} for each in self.locations[image_id]
        ]

    def login(self):
        """The options of a [glance] section that names its user."""
        return {
            'auth_type': 'password',
            'auth_url': f'{self.url}/v3',
            'username': 'glance',
            'password': 'secret-of-glance',
            'user_domain_name': 'Default',
            'project_domain_name': 'Default',
            'project_name': 'service',
        }
