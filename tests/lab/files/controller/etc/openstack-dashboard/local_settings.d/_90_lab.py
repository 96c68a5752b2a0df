ALLOWED_HOSTS = ["*"]
OPENSTACK_HOST = "{{ vip }}"
OPENSTACK_KEYSTONE_URL = "http://{{ vip }}:5000/v3"
WEBROOT = "/horizon/"
LOGIN_URL = "/horizon/auth/login/"
LOGIN_REDIRECT_URL = "/horizon/"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": "{{ vip }}:11211",
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
