// The settings of OHIF on this archive. The server sends this file as /ohif/app-config.js.
(() => {
  // The packaged index.html leaves these two to this file, so that no inline script has to be allowed.
  window.PUBLIC_URL = '/ohif/';
  window.browserImportFunction = address => import(address);

  // The page's address may name one patient (`&scope=KEY`): then all the viewer asks and shows is that patient's,
  // under whatever number. Without one it shows the study of the address and looks for no priors, because a
  // PatientID alone may belong to somebody else. OHIF itself reads parameters in any case of letters.
  const parameter = name => {
    for (const [key, value] of new URLSearchParams(window.location.search)) {
      if (key.toLowerCase() === name) return value;
    }
    return null;
  };
  const scope = () => {
    const key = parameter('scope');
    return key !== null && /^[0-9a-f]{32}$/.test(key) ? key : null;
  };
  const root = () => (scope() === null ? '/dicom-web' : `/patients/${scope()}/dicom-web`);

  // Vietnamese unless somebody chose: by ?lng=en-US, or in the viewer's own preferences, which OHIF remembers.
  const chosen = () => /(^|;\s*)i18next=/.test(document.cookie) || window.localStorage.getItem('i18nextLng');
  try {
    if (parameter('lng') === null && !chosen()) window.localStorage.setItem('i18nextLng', 'vi');
  } catch {
    // A browser without storage shows the language it prefers.
  }
  const inEnglish = () => {
    try {
      return /^en/.test(parameter('lng') ?? window.localStorage.getItem('i18nextLng') ?? 'vi');
    } catch {
      return false;
    }
  };

  // What OHIF says in English whatever the language; the packaged viewer asks here.
  const vietnamese = {
    'OHIF Viewer is': 'Trình xem ảnh OHIF',
    'for investigational use only': 'chỉ dùng cho nghiên cứu',
    'Learn more about OHIF Viewer': 'Tìm hiểu thêm về OHIF',
    'Confirm and hide': 'Đã hiểu',
    Patient: 'Người bệnh',
    'Multiple Patients': 'Nhiều người bệnh',
    'Create Report': 'Báo cáo phép đo',
    'Create new series': 'Tạo chuỗi mới',
    'Report name': 'Tên báo cáo',
    Save: 'Lưu',
    'Do you want to continue tracking measurements for this study?': 'Tiếp tục theo dõi các phép đo của ca chụp này?',
    Yes: 'Có',
    No: 'Không',
  };
  const say = text => (inEnglish() ? text : (vietnamese[text] ?? text));

  // On a phone the picture gets the room: the list of series is closed at first and the patient's name folded.
  const narrow = window.innerWidth < 768;
  const phoneLayout = { routes: { 0: { layoutInstance: { props: { leftPanelClosed: { $set: true } } } } } };

  // OHIF's bar of tools is made for desks: on a phone its parts would lie over one another, so they stand in a row that
  // is pushed sideways.
  if (narrow) {
    const bar = 'div:has(> div > [data-cy="return-to-work-list"])';
    const notice = 'div:has(> [data-cy="confirm-and-hide-button"])';
    const style = document.createElement('style');
    style.textContent = `
      ${bar} { display: flex; gap: 8px; overflow-x: auto; scrollbar-width: none; }
      ${bar} > div { position: static; flex: none; transform: none; translate: none; }
      ${bar} > div:empty { display: none; }
      div.fixed:has(> ${notice}) { height: auto; }
      ${notice} { width: 96%; padding: 8px; gap: 8px; }
      ${notice} svg { display: none; }
      ${notice} [class*="text-[19px]"] { font-size: 14px; }`;
    document.head.append(style);
  }

  window.config = {
    name: 'archive',
    say,
    routerBasename: '/ohif',
    extensions: [],
    modes: [],
    modesConfiguration: narrow ? { '@ohif/mode-longitudinal': phoneLayout } : {},
    // The list of studies is the archive's start page.
    showStudyList: false,
    // Read by the packaged viewer: without it no priors are asked for.
    priorsOfOnePatient: scope() !== null,
    showLoadingIndicator: true,
    showWarningMessageForCrossOrigin: true,
    showCPUFallbackMessage: true,
    showErrorDetails: 'dev',
    showPatientInfo: narrow ? 'visibleCollapsed' : 'visible',
    strictZSpacingForVolumeViewport: true,
    groupEnabledModesFirst: true,
    maxNumberOfWebWorkers: 3,
    maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
    customizationService: [{ 'ohif.tours': { $set: [] } }],
    whiteLabeling: {
      createLogoComponentFn: react => {
        const text = inEnglish() ? 'Study list' : 'Danh sách ca chụp';
        const shown = narrow ? '←' : `← ${text}`;
        return react.createElement('a', { href: '/', title: text, className: 'text-highlight px-2 text-sm' }, shown);
      },
    },
    defaultDataSourceName: 'archive',
    dataSources: [
      {
        namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
        sourceName: 'archive',
        configuration: {
          friendlyName: 'ARCHIVE_NAME',
          name: 'archive',
          qidoRoot: root(),
          wadoRoot: root(),
          qidoSupportsIncludeField: true,
          supportsFuzzyMatching: true,
          supportsWildcard: true,
          supportsReject: false,
          imageRendering: 'wadors',
          thumbnailRendering: 'thumbnail',
          thumbnailRequestStrategy: 'fetch',
          enableStudyLazyLoad: true,
          omitQuotationForMultipartRequest: true,
          singlepart: 'bulkdata,pdf,video',
          bulkDataURI: { enabled: true },
          dicomUploadEnabled: false,
          queryLimit: 101,
          // OHIF starts a data source again when the address changes within the page.
          onConfiguration: configuration => {
            window.config.priorsOfOnePatient = scope() !== null;
            return { ...configuration, qidoRoot: root(), wadoRoot: root() };
          },
        },
      },
    ],
  };
})();
